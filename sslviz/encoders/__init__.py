"""Any timm model behind one face."""

from sslviz.encoders.create import Encoder, create_encoder

__all__ = ["Encoder", "create_encoder"]
