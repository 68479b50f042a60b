"""Writes all-MiniLM-L6-v2 as GPT4All's catalog has it: a GGUF file, matrices in F16 and the rest in F32.

    pip install gguf==0.19.0
    python3 scripts/minilm-to-gguf.py MODEL.zip OUT.gguf

The keys, tokens and tensors are those that llama.cpp's convert_hf_to_gguf.py writes, without torch and transformers.
Every byte depends on MODEL.zip and the version of gguf only.
"""

import json
import struct
import sys
import zipfile

import gguf
import numpy as np
from gguf import LlamaFileType, PoolingType, TokenType

#: GPT4All chooses prefixes by this name.
NAME = "all-MiniLM-L6-v2"
LICENSE = "apache-2.0"
UNUSED = ("embeddings.position_ids", "pooler.")
#: Tables that llama.cpp keeps in F32: it adds rows of them.
TABLES = ("position_embd.weight", "token_types.weight")


def read_safetensors(data: bytes) -> dict[str, np.ndarray]:
    """The tensors in F32, in order of name; without those that embeddings do not need."""
    length = struct.unpack_from("<Q", data)[0]
    infos = json.loads(data[8 : 8 + length])
    tensors = {}
    for name in sorted(infos):
        if name == "__metadata__" or name.startswith(UNUSED):
            continue
        info = infos[name]
        if info["dtype"] != "F32":
            sys.exit(f"{name} is {info['dtype']}, not F32")
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(info["shape"])
    return tensors


def add_header(writer: gguf.GGUFWriter, config: dict, pooling: dict) -> None:
    if not pooling["pooling_mode_mean_tokens"]:
        sys.exit("the pooling is not the mean")
    writer.add_name(NAME)
    writer.add_license(LICENSE)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.MEAN)


def add_tokenizer(writer: gguf.GGUFWriter, config: dict, tokenizer: dict) -> None:
    control = {token["content"] for token in tokenizer["added_tokens"] if token["special"]}
    ids = tokenizer["model"]["vocab"]
    tokens = sorted(ids, key=ids.get)
    if [ids[token] for token in tokens] != list(range(config["vocab_size"])):
        sys.exit("the vocabulary has gaps")
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_tokenizer_model("bert")
    writer.add_token_list([token if token in control else with_space(token) for token in tokens])
    writer.add_token_types([TokenType.CONTROL if token in control else TokenType.NORMAL for token in tokens])
    writer.add_bos_token_id(ids["[CLS]"])
    # GPT4All ends each chunk with the EOS token, and llama.cpp assumes none here.
    writer.add_eos_token_id(ids["[SEP]"])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_uint32("tokenizer.ggml.cls_token_id", ids["[CLS]"])
    writer.add_mask_token_id(ids["[MASK]"])


def with_space(token: str) -> str:
    """WordPiece marks what continues a word, llama.cpp what begins one."""
    return token[2:] if token.startswith("##") else "\u2581" + token


def add_weights(writer: gguf.GGUFWriter, config: dict, tensors: dict[str, np.ndarray]) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config["num_hidden_layers"])
    for name, tensor in tensors.items():
        new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new_name is None:
            sys.exit(f"nobody knows the tensor {name}")
        is_matrix = tensor.ndim == 2 and new_name not in TABLES
        writer.add_tensor(new_name, tensor.astype(np.float16 if is_matrix else np.float32))


def main(source: str, path: str) -> None:
    with zipfile.ZipFile(source) as archive:
        config, pooling, tokenizer = (
            json.loads(archive.read(name)) for name in ("config.json", "1_Pooling/config.json", "tokenizer.json")
        )
        tensors = read_safetensors(archive.read("model.safetensors"))
    writer = gguf.GGUFWriter(path, "bert")
    add_header(writer, config, pooling)
    add_tokenizer(writer, config, tokenizer)
    add_weights(writer, config, tensors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(*sys.argv[1:])
