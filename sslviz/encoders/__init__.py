"""Any timm model behind one face."""

from sslviz.encoders.create import create_encoder
from sslviz.encoders.encoder import Encoder
from sslviz.encoders.load_report import LoadReport
from sslviz.encoders.weights import inspect_weights, load_weights

__all__ = ["Encoder", "LoadReport", "create_encoder", "inspect_weights", "load_weights"]
