from components.diagnose_button import left_out
from sections.questions import questions
from state.selection import chosen

choice = chosen()
left_out(choice, "geometry")
questions(choice, "geometry")
