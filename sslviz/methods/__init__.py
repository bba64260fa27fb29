"""Which ways of learning without labels are there?  One paper per file."""

from sslviz.methods.byol import BYOL
from sslviz.methods.simclr import SimCLR
from sslviz.methods.simsiam import SimSiam
from sslviz.methods.vicreg import VICReg

METHODS = {"simclr": SimCLR, "vicreg": VICReg, "byol": BYOL, "simsiam": SimSiam}
