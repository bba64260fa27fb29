import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # so that tests find the layouts that lie beside them
