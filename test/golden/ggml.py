"""Converts old model files with llama.cpp's own convert_llama_ggml_to_gguf.py, and tells what it made of them as JSON.

    pip install gguf==0.6.0 "numpy<2"
    python3 test/golden/ggml.py FOLDER FILE...

That script writes right files with gguf 0.6.0 and none later, which lacks one function that it calls. FOLDER gets the
GGUF files. `npm run campaign:old-files` runs this on the files of test/support/old-files.ts.
"""

import contextlib
import hashlib
import json
import os
import runpy
import sys
from pathlib import Path

os.environ["NO_LOCAL_GGUF"] = "1"
import gguf  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "vendor" / "llama.cpp" / "convert_llama_ggml_to_gguf.py"


def add_tokenizer_pre(writer, pre):
    writer.add_string("tokenizer.ggml.pre", pre)


gguf.GGUFWriter.add_tokenizer_pre = add_tokenizer_pre


def options(name):
    """What the script wants to be told, and the old files cannot tell."""
    return ["--gqa", "2", "--eps", "1e-5", "-c", "4096"] if name.startswith("llama-2") else []


def plain(field):
    """A metadata value as JSON has it; of an array the checksum of its bytes, those of strings each with a newline."""
    kinds = field.types
    if kinds[0] == gguf.GGUFValueType.ARRAY:
        newline = b"\n" if kinds[-1] == gguf.GGUFValueType.STRING else b""
        return hashlib.sha256(b"".join(field.parts[at].tobytes() + newline for at in field.data)).hexdigest()
    part = field.parts[field.data[0]]
    return bytes(part).decode() if kinds[0] == gguf.GGUFValueType.STRING else part.tolist()[0]


def convert(path, folder):
    out = Path(folder) / f"{path.name}.oracle.gguf"
    sys.argv = [str(SCRIPT), "--input", str(path), "--output", str(out), *options(path.name)]
    runpy.run_path(str(SCRIPT), run_name="__main__")
    reader = gguf.GGUFReader(out)
    return {
        "input": hashlib.sha256(path.read_bytes()).hexdigest(),
        "metadata": {
            name: plain(field) for name, field in reader.fields.items() if not name.startswith("GGUF.")
        },
        "tensors": {
            tensor.name: {
                "type": gguf.GGMLQuantizationType(tensor.tensor_type).name,
                "shape": tensor.shape.tolist(),
                "sha256": hashlib.sha256(tensor.data.tobytes()).hexdigest()[:16],
            }
            for tensor in reader.tensors
        },
    }


files, folder = [Path(file) for file in sys.argv[2:]], sys.argv[1]
with contextlib.redirect_stdout(sys.stderr):  # gguf prints
    made = {file.name: convert(file, folder) for file in files}
json.dump(made, sys.stdout)
