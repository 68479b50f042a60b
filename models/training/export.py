"""Writes the trained network as a GGUF file for llama.cpp: Q8_0, norms in F32."""

import json

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, LlamaFileType, quants
from tokenizers import Tokenizer

from network import Network
from tokenizer import END_OF_TEXT_ID, SPECIAL_TOKENS, TURN_END_ID

NAME = "gpt4all-ts tiny chat"
DESCRIPTION = "Tiny chat model for first steps and tests, trained from scratch on generated text"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
#: Names of the weights in llama.cpp.
LAYER_NAMES = {
    "attn_norm": "attention_norm", "ffn_norm": "feed_forward_norm", "attn_q": "query", "attn_k": "key",
    "attn_v": "value", "attn_output": "output", "ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down",
}


def export_gguf(network: Network, tokenizer: Tokenizer, path: str) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    add_header(writer, network)
    add_tokenizer(writer, tokenizer)
    add_weights(writer, network)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_header(writer: gguf.GGUFWriter, network: Network) -> None:
    shape = network.shape
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license("mit")
    writer.add_languages(["en"])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL_TOKENS else gguf.TokenType.NORMAL for token in tokens]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(END_OF_TEXT_ID)
    writer.add_eos_token_id(TURN_END_ID)
    writer.add_eot_token_id(TURN_END_ID)
    writer.add_pad_token_id(END_OF_TEXT_ID)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_weights(writer: gguf.GGUFWriter, network: Network) -> None:
    """There is no output.weight: llama.cpp then uses the embedding, as trained."""
    add_weight(writer, "token_embd.weight", network.embedding.weight)
    add_weight(writer, "output_norm.weight", network.final_norm)
    for number, block in enumerate(network.blocks):
        for theirs, ours in LAYER_NAMES.items():
            weight = getattr(block, ours)
            weight = weight if isinstance(weight, torch.nn.Parameter) else weight.weight
            add_weight(writer, f"blk.{number}.{theirs}.weight", weight)


def add_weight(writer: gguf.GGUFWriter, name: str, weight: torch.Tensor) -> None:
    values = np.ascontiguousarray(weight.detach().float().numpy())
    if values.ndim == 1:
        writer.add_tensor(name, values)
    else:
        kind = GGMLQuantizationType.Q8_0
        writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
