"""Writes the ONNX model that ONNX Runtime is measured with, from the original weights of all-MiniLM-L6-v2 in float32.

argv[1] is the folder of the weights (config.json, model.safetensors), argv[2] the file to write. The graph is
exported by PyTorch, and its attention, GELU and layer norms are then fused by ONNX Runtime's own optimizer, as its
documentation recommends for BERT.
"""

import sys
import tempfile
from pathlib import Path

import torch
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from transformers import BertModel

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
OPSET = 17


class Hidden(torch.nn.Module):
    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, ids, mask, types):
        return self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


def export(folder, file):
    bert = BertModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False).eval()
    example = torch.ones((2, 16), dtype=torch.int64)
    axes = {name: {0: "batch", 1: "sequence"} for name in [*INPUTS, "last_hidden_state"]}
    with torch.no_grad():
        torch.onnx.export(
            Hidden(bert),
            (example, example, torch.zeros_like(example)),
            str(file),
            input_names=INPUTS,
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return bert.config


source, target = sys.argv[1:]
with tempfile.TemporaryDirectory() as work:
    plain = Path(work) / "plain.onnx"
    config = export(source, plain)
    model = optimize_model(
        str(plain),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=FusionOptions("bert"),
    )
    model.save_model_to_file(target)
