"""Any timm model behind one face."""

from sslviz.encoders.create import create_encoder
from sslviz.encoders.encoder import Encoder

__all__ = ["Encoder", "create_encoder"]
