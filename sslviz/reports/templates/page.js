// Draws `figures` with the template of the reader's system, light or dark, and again when that changes.  On paper they are
// light, and nothing is folded away.
const dark = matchMedia("(prefers-color-scheme: dark)");
const config = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};
function draw(isDark) {
  figures.forEach((figure, i) => {
    const layout = { ...figure.layout, template: templates[isDark] };
    Plotly.react("figure" + i, figure.data, layout, config);
  });
}
draw(dark.matches);
dark.addEventListener("change", () => draw(dark.matches));
let unfolded = [];
addEventListener("beforeprint", () => {
  draw(false);
  unfolded = [...document.querySelectorAll("details:not([open])")];
  unfolded.forEach((part) => { part.open = true; });
});
addEventListener("afterprint", () => {
  draw(dark.matches);
  unfolded.forEach((part) => { part.open = false; });
});
