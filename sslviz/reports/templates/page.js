// Draws `figures` with the template of the reader's system, light or dark, and again when that changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const config = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};
function draw() {
  figures.forEach((figure, i) => {
    const layout = { ...figure.layout, template: templates[dark.matches] };
    Plotly.react("figure" + i, figure.data, layout, config);
  });
}
draw();
dark.addEventListener("change", draw);
