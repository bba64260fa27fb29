from sslviz.encoders import create_encoder
from sslviz.methods import build_method


def test_settings_go_to_the_method_or_to_its_views():
    encoder = create_encoder("conv_nano")
    model, policy = build_method("simclr", encoder, {"temperature": 0.5, "hue": 0.1})
    assert model.temperature == 0.5 and policy.hue == 0.1 and policy.size == encoder.image_size
    assert policy.mean == encoder.mean
