"""How these goldens are written: unit vectors as 16-bit integers, in base64."""

import base64
import gzip
import json
import struct
import sys

SCALE = 32767


def packed(vector) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}h", *(round(x * SCALE) for x in vector))).decode()


def write(path: str, golden: dict) -> None:
    """The same bytes each time: without a time of day."""
    data = json.dumps(golden, separators=(",", ":")).encode()
    with open(path, "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))
    print(path, file=sys.stderr)
