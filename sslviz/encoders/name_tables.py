"""What other libraries call the parts of a network, as patterns, and what timm calls them."""

from __future__ import annotations

# Wrappers put their name into the path of what they wrap: compilation, data parallelism, recomputation, Fabric.
WRAPPERS = {
    "module",
    "_orig_mod",
    "_checkpoint_wrapped_module",
    "_fsdp_wrapped_module",
    "_forward_module",
    "_ddp_module",
    "_dp_module",
    "_original_module",
}
LAYER = r"(?:encoder\.)?layers?\.(\d+)\."
BLOCK = r"blocks.\1."
# transformers, before its version 5 and since, whose names in memory are others than in files.
TRANSFORMERS_VIT = {  # ViT, DeiT, DINOv2 with and without registers, ViT-MAE, ViT-MSN, I-JEPA
    r"embeddings\.(cls_token|mask_token|register_tokens)": r"\1",
    r"embeddings\.distillation_token": "dist_token",
    r"embeddings\.position_embeddings": "pos_embed",
    r"embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    LAYER + r"attention\.attention\.(query|key|value)\.": BLOCK + r"attn.\2.",
    LAYER + r"attention\.([qkv])_proj\.": BLOCK + r"attn.\2.",
    LAYER + r"attention\.(output\.dense|o_proj)\.": BLOCK + "attn.proj.",
    LAYER + r"intermediate\.dense\.": BLOCK + "mlp.fc1.",
    LAYER + r"output\.dense\.": BLOCK + "mlp.fc2.",
    LAYER + r"layernorm_before\.": BLOCK + "norm1.",
    LAYER + r"layernorm_after\.": BLOCK + "norm2.",
    LAYER + r"layer_scale(\d)\.lambda1": BLOCK + r"ls\2.gamma",
    LAYER + r"mlp\.weights_in\.": BLOCK + "mlp.w12.",
    LAYER + r"mlp\.weights_out\.": BLOCK + "mlp.w3.",
    LAYER + r"(norm1|norm2|mlp\.fc1|mlp\.fc2)\.": BLOCK + r"\2.",
    r"layernorm\.": "norm.",
}
TRANSFORMERS_CLIP = {
    r"embeddings\.class_embedding": "cls_token",
    r"embeddings\.patch_embedding\.": "patch_embed.proj.",
    r"embeddings\.position_embedding\.weight": "pos_embed",
    r"pre_layrnorm\.": "norm_pre.",  # their spelling
    r"post_layernorm\.": "norm.",
    LAYER + r"self_attn\.([qkv])_proj\.": BLOCK + r"attn.\2.",
    LAYER + r"self_attn\.out_proj\.": BLOCK + "attn.proj.",
    LAYER + r"layer_norm([12])\.": BLOCK + r"norm\2.",
    LAYER + r"mlp\.(fc1|fc2)\.": BLOCK + r"mlp.\2.",
}
STAGE, ITS_LAYER = r"encoder\.(?:stages|layers)\.(\d+)\.", r"(?:layers|blocks)\.(\d+)\."
TRANSFORMERS_SWIN = {
    r"embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    r"embeddings\.norm\.": "patch_embed.norm.",
    STAGE + ITS_LAYER + r"attention\.self\.(query|key|value)\.": r"layers.\1.blocks.\2.attn.\3.",
    STAGE + ITS_LAYER + r"attention\.([qkv])_proj\.": r"layers.\1.blocks.\2.attn.\3.",
    STAGE + ITS_LAYER + r"attention\.(?:self|relative_position_bias)\.(relative_\w+)": r"layers.\1.blocks.\2.attn.\3",
    STAGE + ITS_LAYER + r"attention\.(output\.dense|o_proj)\.": r"layers.\1.blocks.\2.attn.proj.",
    STAGE + ITS_LAYER + r"mlp\.(fc1|fc2)\.": r"layers.\1.blocks.\2.mlp.\3.",
    STAGE + ITS_LAYER + r"intermediate\.dense\.": r"layers.\1.blocks.\2.mlp.fc1.",
    STAGE + ITS_LAYER + r"output\.dense\.": r"layers.\1.blocks.\2.mlp.fc2.",
    STAGE + ITS_LAYER + r"layernorm_before\.": r"layers.\1.blocks.\2.norm1.",
    STAGE + ITS_LAYER + r"layernorm_after\.": r"layers.\1.blocks.\2.norm2.",
    STAGE + r"downsample\.": r"layers.\1.downsample.",
    r"layernorm\.": "norm.",
}
TRANSFORMERS_CONVNEXT = {
    r"embeddings\.patch_embeddings\.": "stem.0.",
    r"embeddings\.layernorm\.": "stem.1.",
    STAGE + r"downsampling_layer\.(\d)\.": r"stages.\1.downsample.\2.",
    STAGE + ITS_LAYER + r"dwconv\.": r"stages.\1.blocks.\2.conv_dw.",
    STAGE + ITS_LAYER + r"layernorm\.": r"stages.\1.blocks.\2.norm.",
    STAGE + ITS_LAYER + r"pwconv([12])\.": r"stages.\1.blocks.\2.mlp.fc\3.",
    STAGE + ITS_LAYER + r"layer_scale_parameter": r"stages.\1.blocks.\2.gamma",
    STAGE + ITS_LAYER + r"grn\.": r"stages.\1.blocks.\2.mlp.grn.",
    r"layernorm\.": "head.norm.",
}
TRANSFORMERS_RESNET = {  # N+1 stands for the number after N
    r"embedder\.embedder\.convolution\.": "conv1.",
    r"embedder\.embedder\.normalization\.": "bn1.",
    STAGE + ITS_LAYER + r"shortcut\.convolution\.": r"layer\1+1.\2.downsample.0.",
    STAGE + ITS_LAYER + r"shortcut\.normalization\.": r"layer\1+1.\2.downsample.1.",
    STAGE + ITS_LAYER + r"layer\.(\d)\.convolution\.": r"layer\1+1.\2.conv\3+1.",
    STAGE + ITS_LAYER + r"layer\.(\d)\.normalization\.": r"layer\1+1.\2.bn\3+1.",
}
TORCHVISION_LAYER = r"encoder\.layers\.encoder_layer_(\d+)\."
TORCHVISION_VIT = {
    r"class_token": "cls_token",
    r"conv_proj\.": "patch_embed.proj.",
    r"encoder\.pos_embedding": "pos_embed",
    r"encoder\.ln\.": "norm.",
    TORCHVISION_LAYER + r"ln_([12])\.": BLOCK + r"norm\2.",
    TORCHVISION_LAYER + r"self_attention\.in_proj_": BLOCK + "attn.qkv.",
    TORCHVISION_LAYER + r"self_attention\.out_proj\.": BLOCK + "attn.proj.",
    TORCHVISION_LAYER + r"mlp\.(?:linear_1|0)\.": BLOCK + "mlp.fc1.",
    TORCHVISION_LAYER + r"mlp\.(?:linear_2|3)\.": BLOCK + "mlp.fc2.",
    r"heads\.(?:head\.)?": "head.",
}
TORCHVISION_CONVNEXT = {
    r"features\.0\.(\d)\.": r"stem.\1.",
    r"classifier\.0\.": "head.norm.",
    r"classifier\.2\.": "head.fc.",
}
TORCHVISION_SWIN = {r"features\.0\.0\.": "patch_embed.proj.", r"features\.0\.2\.": "patch_embed.norm."}
for stage in range(4):  # torchvision counts stages and what lies between them as one sequence
    its, before = rf"features\.{2 * stage + 1}\.(\d+)\.", rf"features\.{2 * stage}\."
    TORCHVISION_CONVNEXT |= {
        its + r"block\.0\.": rf"stages.{stage}.blocks.\1.conv_dw.",
        its + r"block\.2\.": rf"stages.{stage}.blocks.\1.norm.",
        its + r"block\.3\.": rf"stages.{stage}.blocks.\1.mlp.fc1.",
        its + r"block\.5\.": rf"stages.{stage}.blocks.\1.mlp.fc2.",
        its + r"layer_scale": rf"stages.{stage}.blocks.\1.gamma",
        before: f"stages.{stage}.downsample.",
    }
    TORCHVISION_SWIN |= {
        its + r"mlp\.0\.": rf"layers.{stage}.blocks.\1.mlp.fc1.",
        its + r"mlp\.3\.": rf"layers.{stage}.blocks.\1.mlp.fc2.",
        its + r"(norm1|norm2|attn)\.": rf"layers.{stage}.blocks.\1.\2.",
        before: f"layers.{stage}.downsample.",
    }
OPENMMLAB_VIT = {
    r"patch_embed\.projection\.": "patch_embed.proj.",
    r"layers\.(\d+)\.ln([12])\.": BLOCK + r"norm\2.",
    r"layers\.(\d+)\.attn\.": BLOCK + "attn.",
    r"layers\.(\d+)\.ffn\.layers\.0\.0\.": BLOCK + "mlp.fc1.",
    r"layers\.(\d+)\.ffn\.layers\.1\.": BLOCK + "mlp.fc2.",
    r"ln1\.": "norm.",
}
CHUNKS = {
    r"blocks\.\d+\.(\d+)\.": BLOCK
}  # DINOv2 keeps its blocks in groups for FSDP; the second number is the block's
TABLES = {  # a name that tells the layout: whose names, and the table
    r"embeddings\.patch_embeddings\.projection\.weight": (
        ("transformers (ViT)", TRANSFORMERS_VIT),
        ("transformers (Swin)", TRANSFORMERS_SWIN),
    ),
    r"embeddings\.patch_embeddings\.weight": (("transformers (ConvNeXt)", TRANSFORMERS_CONVNEXT),),
    r"embeddings\.(cls_token|position_embeddings)": (("transformers (ViT)", TRANSFORMERS_VIT),),
    r"embeddings\.patch_embedding\.weight": (("transformers (CLIP)", TRANSFORMERS_CLIP),),
    r"embedder\.embedder\.convolution\.weight": (("transformers (ResNet)", TRANSFORMERS_RESNET),),
    r"conv_proj\.weight": (("torchvision (ViT)", TORCHVISION_VIT),),
    r"features\.1\.0\.layer_scale": (("torchvision (ConvNeXt)", TORCHVISION_CONVNEXT),),
    r"features\.1\.0\.attn\.qkv\.weight": (("torchvision (Swin)", TORCHVISION_SWIN),),
    r"patch_embed\.projection\.weight": (("OpenMMLab (ViT)", OPENMMLAB_VIT),),
    r"blocks\.\d+\.\d+\.norm1\.weight": (("DINOv2 (blocks in groups)", CHUNKS),),
}
