"""What Python libraries that know nothing of long texts are helped with, and of batches."""

import numpy as np

LONGEST = 512
OVERLAP = 8


def by_length(items, batch, length=len):
    """Lists of indices of `items`, the longest first, of `batch` each: little of a batch is padding."""
    order = sorted(range(len(items)), key=lambda i: -length(items[i]))
    return [order[i : i + batch] for i in range(0, len(order), batch)]


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def means(vectors, owners, count):
    """The unit vector of each owner's mean."""
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, owners, vectors)
    return unit(sums)
