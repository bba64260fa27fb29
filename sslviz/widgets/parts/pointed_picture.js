// The front end of PointedPicture: no state outside `render`, since a page may show one picture twice.
function render({ model, el }) {
  const box = document.createElement("div");
  const image = document.createElement("img");
  const frame = document.createElement("div");
  box.tabIndex = 0;
  box.style.cssText = "position:relative;line-height:0;cursor:crosshair;touch-action:none;width:max-content";
  image.draggable = false;
  frame.style.cssText =
    "position:absolute;box-sizing:border-box;pointer-events:none;border:2px solid #fff;outline:1px solid #000";
  box.append(image, frame);
  el.append(box);

  let kept = false; // whether a click holds the patch
  let address = "";

  function drawPicture() {
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/png" }));
    image.src = address;
    image.alt = model.get("words");
    image.style.cssText = `width:${model.get("width")}px;image-rendering:pixelated`;
  }

  function drawFrame() {
    const rows = model.get("rows"), columns = model.get("columns"), patch = model.get("patch");
    frame.style.left = `${(100 * (patch % columns)) / columns}%`;
    frame.style.top = `${(100 * Math.floor(patch / columns)) / rows}%`;
    frame.style.width = `${100 / columns}%`;
    frame.style.height = `${100 / rows}%`;
    frame.style.borderStyle = kept ? "double" : "solid";
    box.setAttribute("aria-label", `${model.get("words")}, patch ${patch}`);
  }

  function choose(patch) {
    if (patch === model.get("patch")) return;
    model.set("patch", patch);
    model.save_changes();
  }

  function under(event) {
    const rows = model.get("rows"), columns = model.get("columns"), area = image.getBoundingClientRect();
    const within = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const row = within((event.clientY - area.top) / area.height, rows);
    return row * columns + within((event.clientX - area.left) / area.width, columns);
  }

  box.addEventListener("pointermove", (event) => {
    if (!kept) choose(under(event));
  });
  box.addEventListener("click", (event) => {
    kept = !kept;
    choose(under(event));
    drawFrame();
  });
  box.addEventListener("keydown", (event) => {
    const columns = model.get("columns"), last = model.get("rows") * columns - 1;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would go to the next cell
    const patch = model.get("patch") + step;
    if (patch >= 0 && patch <= last) choose(patch);
  });

  const pictured = ["picture", "width", "words"].map((name) => `change:${name}`).join(" ");
  const framed = ["patch", "rows", "columns", "words"].map((name) => `change:${name}`).join(" ");
  model.on(pictured, drawPicture);
  model.on(framed, drawFrame);
  drawPicture();
  drawFrame();
  return () => {
    model.off(pictured, drawPicture);
    model.off(framed, drawFrame);
    URL.revokeObjectURL(address);
  };
}

export default { render };
