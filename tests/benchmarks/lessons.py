"""How long do the lessons take?  Executes them anew, one after the other, and stores what they print and draw.

python tests/benchmarks/lessons.py [--only 05 07] [--out FOLDER]

Each lesson runs in a folder of its own that is removed afterwards, in full, unless SSLVIZ_FAST is set: a rehearsal is only
written to another --out.  A lesson is stored as soon as it is done, with its thumbnail, that is the picture of the cell
with the tag "thumbnail", and with its minutes on the lessons' page.  Where one stops, the line that goes on from there
is printed.  Coordinates of figures are rounded to single precision, and of a widget only its picture is stored.
"""

import argparse
import base64
import io
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np
from hardware import header
from nbclient import NotebookClient
from PIL import Image, ImageOps

from sslviz.runtime.files import atomic_write

ROOT = Path(__file__).parents[2]
LESSONS = ROOT / "notebooks"
FIGURE, WIDGET = "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"
LARGEST = 2_000_000  # bytes of a lesson
THUMBNAIL, COLORS = (480, 300), 64
TIMEOUT = 1800  # seconds of a cell


def rounded(value):
    """A part of a figure's JSON whose numbers with 64 bits have 32."""
    if isinstance(value, dict) and value.get("dtype") == "f8":
        single = np.frombuffer(base64.b64decode(value["bdata"]), "f8").astype("f4")
        return value | {"dtype": "f4", "bdata": base64.b64encode(single.tobytes()).decode()}
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def palette(picture):
    """A PNG of a figure, in base64, with 256 colours, which no eye misses in a chart."""
    file = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.quantize(256).save(file, "PNG", optimize=True)
    small = base64.b64encode(file.getvalue()).decode()
    return min(picture, small, key=len)


def made_small(book):
    """The lesson with rounded figures, their pictures with few colours, and of its widgets only the pictures.

    What was written to stderr is no part of a lesson; it is printed here instead.  Nor are bars of progress, which are
    widgets without a picture.
    """
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        outputs = cell.get("outputs", [])
        for noise in [output for output in outputs if output.get("name") == "stderr"]:
            print(noise.text, file=sys.stderr)
            outputs.remove(noise)
        for bar in [one for one in outputs if WIDGET in one.get("data", {}) and "image/png" not in one.data]:
            outputs.remove(bar)
    for output in (output for cell in book.cells for output in cell.get("outputs", []) if "data" in output):
        if "image/png" in output.data and {FIGURE, WIDGET} & set(output.data):
            output.data["image/png"] = palette(output.data["image/png"])
        if FIGURE in output.data:
            output.data[FIGURE] = rounded(output.data[FIGURE])
        if "image/png" in output.data:
            output.data.pop(WIDGET, None)


def thumbnail(book):
    """The first picture of the cell with the tag "thumbnail", as the bytes of a PNG; None where there is none."""
    tagged = [cell for cell in book.cells if "thumbnail" in cell.metadata.get("tags", [])]
    pictures = [one.data["image/png"] for cell in tagged for one in cell.outputs if "image/png" in one.get("data", {})]
    if not pictures:
        return None
    image = Image.open(io.BytesIO(base64.b64decode(pictures[0]))).convert("RGB")
    small = ImageOps.pad(image, THUMBNAIL, Image.Resampling.LANCZOS, color="white").quantize(COLORS)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def executed(path):
    """(the lesson with new outputs, its seconds, those of its processors)."""
    book = nbformat.read(path, as_version=4)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(book, timeout=TIMEOUT, kernel_name="python3", resources=where, record_timing=False)
        client.execute()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return book, time.perf_counter() - began, used


def store(book, name, out):
    """Writes lesson and thumbnail; what is said of them."""
    made_small(book)
    text = nbformat.writes(book).encode() + b"\n"
    if len(text) > LARGEST:
        raise ValueError(f"{name} has {len(text):,} bytes, more than {LARGEST:,}; it was not written.")
    with atomic_write(out / f"{name}.ipynb") as file:
        file.write(text)
    picture = thumbnail(book)
    if picture is None:
        return f'{len(text) / 1e6:.1f} MB; no cell with the tag "thumbnail" drew a picture, so its thumbnail stays'
    with atomic_write(out / "thumbnails" / f"{name}.png") as file:
        file.write(picture)
    return f"{len(text) / 1e6:.1f} MB"


def note_minutes(page, number, seconds):
    """Writes how long a lesson ran into the table of the path, on the lessons' page."""
    row = re.compile(rf"^(\| {number} \| [^|]*\|)[^|]*\|", re.M)
    text = row.sub(rf"\1 {max(1, round(seconds / 60))} |", page.read_text())
    with atomic_write(page) as file:
        file.write(text.encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NN", help="numbers of lessons")
    parser.add_argument("--out", type=Path, default=LESSONS)
    options = parser.parse_args()
    paths = [path for path in sorted(LESSONS.glob("*.ipynb")) if not options.only or path.stem[:2] in options.only]
    if os.environ.get("SSLVIZ_FAST") and options.out.resolve() == LESSONS:
        parser.error("SSLVIZ_FAST is set: a rehearsal is not stored as a lesson; name another folder with --out.")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    print(header("torch", "plotly", "nbclient"))
    print("| lesson | seconds | of processors | stored |\n|---|---|---|---|", flush=True)
    for i, path in enumerate(paths):
        try:
            book, seconds, used = executed(path)
            said = store(book, path.stem, options.out)
            if options.out.resolve() == LESSONS:
                note_minutes(LESSONS / "README.md", path.stem[:2], seconds)
        except BaseException:  # an interrupt too; it is raised again
            rest = " ".join(one.stem[:2] for one in paths[i:])
            print(f"{path.stem} stopped.  Go on with: python {sys.argv[0]} --only {rest}", flush=True)
            raise
        print(f"| {path.stem} | {seconds:.0f} | {used:.0f} | {said} |", flush=True)


if __name__ == "__main__":
    main()
