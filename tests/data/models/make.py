"""Makes networks that say the same whatever they hear, with the interfaces of real ones: to prove adapters without weights.

    python make.py          (needs onnx; writes a folder for each interface and manifest.toml beside itself)

All say 好多謝. SenseVoice says also: Cantonese, angry, speech. Whisper says: Cantonese. The transducers find 射 a little likelier
than 謝, so that they say 好多射 unless hot words help.
"""
import base64
import hashlib
import pathlib
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
FLOAT, INT, LONG = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
WORDS = ["好", "多", "謝"]


class Graph:
    """Nodes, constants, inputs and outputs of one network."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def constant(self, value, kind=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def do(self, op, *inputs, out=None, **attributes):
        out = out or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def take(self, name, shape, kind=FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def give(self, value, name, shape, kind=FLOAT):
        self.do("Identity", value, out=name)
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def size(self, of, axis):
        """One size of a tensor, as a tensor of one number."""
        return self.do("Gather", self.do("Shape", of), self.constant([axis], np.int64))

    def join(self, *parts):
        return self.do("Concat", *parts, axis=0)

    def number(self, n):
        return self.constant([n], np.int64)

    def save(self, folder, name, meta):
        graph = helper.make_graph(self.nodes, "says_the_same", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="tingwa")
        for key, value in {**meta, "comment": "says the same whatever it hears"}.items():
            model.metadata_props.add(key=key, value=str(value))
        onnx.checker.check_model(model)
        (HERE / folder).mkdir(exist_ok=True)
        onnx.save(model, HERE / folder / name)


def tokens(folder, names, encode=lambda name: name):
    (HERE / folder).mkdir(exist_ok=True)
    (HERE / folder / "tokens.txt").write_text("".join(f"{encode(n)} {i}\n" for i, n in enumerate(names)), "utf-8")


def rows(said, size, high=10.0):
    """One row of logits for each token."""
    table = np.full((len(said), size), -high, np.float32)
    for at, token in enumerate(said):
        table[at, token] = high
    return table


def spread(graph, like, said, blank, size, length):
    """(N, length, size): what is said, then blanks; N as of `like`, `length` a tensor of one number."""
    n = graph.size(like, 0)
    head = graph.do("Expand", graph.constant(rows(said, size)[None]), graph.join(n, graph.number(len(said)), graph.number(size)))
    rest = graph.do("Max", graph.do("Sub", length, graph.number(len(said))), graph.number(0))
    tail = graph.do("Expand", graph.constant(rows([blank], size)[None]), graph.join(n, rest, graph.number(size)))
    return graph.do("Concat", head, tail, axis=1)


def later(graph, at, steps, said, last, size):
    """(N, steps, size): the rows from place `at` (N, 1) on; after the last there is `last`."""
    table = graph.constant(rows(list(said) + [last], size))
    place = graph.do("Add", at, graph.constant([list(range(steps))], np.int64))
    place = graph.do("Min", place, graph.constant([len(said)], np.int64))
    return graph.do("Gather", table, place, axis=0)


def sense_voice():
    names = ["<blank>", "<|yue|>", "<|ANGRY|>", "<|Speech|>", "<|woitn|>", *WORDS, "<|zh|>", "<|en|>", "<|ja|>", "<|ko|>", "<|nospeech|>"]
    size, graph = len(names), Graph()
    x = graph.take("x", ["N", "T", 560])
    for name in "x_length", "language", "text_norm":
        graph.take(name, ["N"], INT)
    # The real network answers with four rows more than it is given: language, emotion, event and text normalisation.
    length = graph.do("Add", graph.size(x, 1), graph.number(4))
    graph.give(spread(graph, x, range(1, 8), 0, size, length), "logits", ["N", "T_out", size])
    zeros, ones = ",".join(["0"] * 560), ",".join(["1"] * 560)
    graph.save("sense_voice", "model.onnx", {
        "lfr_window_size": 7, "lfr_window_shift": 6, "normalize_samples": 0, "with_itn": 14, "without_itn": 15, "lang_auto": 0,
        "lang_zh": 3, "lang_en": 4, "lang_yue": 7, "lang_ja": 11, "lang_ko": 12, "vocab_size": size, "model_type": "sense_voice_ctc",
        "version": 1, "neg_mean": zeros, "inv_stddev": ones})
    tokens("sense_voice", names)


def wenet_ctc():
    names = ["<blk>", "<unk>", *WORDS]
    size, graph = len(names), Graph()
    x, lengths = graph.take("x", ["N", "T", 80]), graph.take("x_lens", ["N"], LONG)
    quarter = graph.do("Div", graph.size(x, 1), graph.number(4))
    graph.give(spread(graph, x, [2, 3, 4], 0, size, quarter), "log_probs", ["N", "T_out", size])
    graph.give(graph.do("Div", lengths, graph.number(4)), "log_probs_lens", ["N"], LONG)
    graph.save("wenet_ctc", "model.onnx", {"model_type": "wenet_ctc", "version": 1, "vocab_size": size, "subsampling_factor": 4})
    tokens("wenet_ctc", names)


def nemo_ctc():
    names = [*WORDS, "<blk>"]
    size, graph = len(names), Graph()
    x = graph.take("audio_signal", ["N", 80, "T"])
    graph.take("length", ["N"], LONG)
    quarter = graph.do("Div", graph.size(x, 2), graph.number(4))
    graph.give(spread(graph, x, [0, 1, 2], 3, size, quarter), "logprobs", ["N", "T_out", size])
    graph.save("nemo_ctc", "model.onnx",
               {"model_type": "EncDecCTCModelBPE", "vocab_size": size - 1, "subsampling_factor": 4, "normalize_type": ""})
    tokens("nemo_ctc", names)


def zipformer_ctc():
    """Offline."""
    names = ["<blk>", "<sos/eos>", *WORDS]
    size, graph = len(names), Graph()
    x, lengths = graph.take("x", ["N", "T", 80]), graph.take("x_lens", ["N"], LONG)
    quarter = graph.do("Div", graph.size(x, 1), graph.number(4))
    graph.give(spread(graph, x, [2, 3, 4], 0, size, quarter), "log_probs", ["N", "T_out", size])
    graph.give(graph.do("Div", lengths, graph.number(4)), "log_probs_len", ["N"], LONG)
    graph.save("zipformer_ctc", "model.onnx", {"model_type": "zipformer2_ctc", "version": 1, "vocab_size": size, "subsampling_factor": 4})
    tokens("zipformer_ctc", names)


def paraformer():
    names = ["<blank>", "<s>", "</s>", *WORDS]
    size, graph = len(names), Graph()
    x = graph.take("speech", ["N", "T", 560])
    graph.take("speech_lengths", ["N"], INT)
    graph.give(spread(graph, x, [3, 4, 5, 2], 2, size, graph.number(4)), "logits", ["N", "L", size])
    graph.give(graph.do("Expand", graph.constant([4], np.int32), graph.size(x, 0)), "token_num", ["N"], INT)
    zeros, ones = ",".join(["0"] * 560), ",".join(["1"] * 560)
    graph.save("paraformer", "model.onnx", {"model_type": "paraformer", "vocab_size": size, "lfr_window_size": 7, "lfr_window_shift": 6,
                                            "neg_mean": zeros, "inv_stddev": ones, "version": 1})
    tokens("paraformer", names)


def fire_red():
    names = ["<blank>", "<unk>", "<pad>", "<sos>", "<eos>", *WORDS]
    size, graph = len(names), Graph()
    x = graph.take("x", ["N", "T", 80])
    graph.take("x_lens", ["N"], LONG)
    cross = graph.do("Expand", graph.constant(0.0), graph.join(graph.number(1), graph.size(x, 0), graph.number(1), graph.number(1)))
    graph.give(cross, "n_layer_cross_k", [1, "N", 1, 1])
    graph.give(cross, "n_layer_cross_v", [1, "N", 1, 1])
    graph.save("fire_red", "encoder.onnx", {
        "model_type": "fire-red-asr", "version": 1, "num_decoder_layers": 1, "num_head": 1, "head_dim": 1, "sos": 3, "eos": 4,
        "max_len": 64, "cmvn_mean": ",".join(["0"] * 80), "cmvn_inv_stddev": ",".join(["1"] * 80)})
    graph = Graph()
    graph.take("tokens", ["N", "L"], LONG)
    key, value = graph.take("in_k", [1, "N", "M", 1, 1]), graph.take("in_v", [1, "N", "M", 1, 1])
    graph.take("cross_k", [1, "N", 1, 1])
    graph.take("cross_v", [1, "N", 1, 1])
    offset = graph.do("Unsqueeze", graph.take("offset", [1], LONG), graph.constant([1], np.int64))
    graph.give(later(graph, offset, 1, [5, 6, 7], 4, size), "logits", ["N", "L", size])
    graph.give(key, "out_k", [1, "N", "M", 1, 1])
    graph.give(value, "out_v", [1, "N", "M", 1, 1])
    graph.save("fire_red", "decoder.onnx", {})
    tokens("fire_red", names)


def whisper():
    names = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|yue|>", "<|translate|>", "<|transcribe|>",
             "<|nospeech|>", "<|notimestamps|>", " ", *WORDS]
    size, graph = len(names), Graph()
    x = graph.take("mel", ["N", 80, "T"])
    cross = graph.do("Expand", graph.constant(0.0), graph.join(graph.number(1), graph.size(x, 0), graph.number(1), graph.number(1)))
    graph.give(cross, "n_layer_cross_k", [1, "N", 1, 1])
    graph.give(cross, "n_layer_cross_v", [1, "N", 1, 1])
    graph.save("whisper", "encoder.onnx", {
        "model_type": "whisper-tiny", "version": 1, "maintainer": "tingwa", "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 1,
        "n_audio_head": 1, "n_audio_layer": 1, "n_vocab": size, "n_text_ctx": 64, "n_text_state": 1, "n_text_head": 1, "n_text_layer": 1,
        "sot_sequence": "1,2,6", "all_language_tokens": "2,3,4", "all_language_codes": "en,zh,yue", "sot": 1, "sot_index": 0,
        "eot": 0, "blank_id": 9, "is_multilingual": 1, "no_speech": 7, "non_speech_tokens": "9", "transcribe": 6, "translate": 5,
        "sot_prev": 7, "sot_lm": 7, "no_timestamps": 8})
    graph = Graph()
    given = graph.take("tokens", ["N", "L"], LONG)
    key, value = graph.take("in_k", [1, "N", 64, 1]), graph.take("in_v", [1, "N", 64, 1])
    graph.take("cross_k", [1, "N", 1, 1])
    graph.take("cross_v", [1, "N", 1, 1])
    offset = graph.take("offset", [1], LONG)
    # Place 0 tells the language; 3, after the four tokens that it begins with, tells the first word.
    length = graph.do("Squeeze", graph.size(given, 1), graph.constant([0], np.int64))
    places = graph.do("Add", graph.do("Range", graph.constant(0, np.int64), length, graph.constant(1, np.int64)), offset)
    places = graph.do("Min", places, graph.number(6))
    table = graph.constant(rows([4, 9, 9, 10, 11, 12, 0], size))
    graph.give(graph.do("Unsqueeze", graph.do("Gather", table, places, axis=0), graph.number(0)), "logits", ["N", "L", size])
    graph.give(key, "out_k", [1, "N", 64, 1])
    graph.give(value, "out_v", [1, "N", 64, 1])
    graph.save("whisper", "decoder.onnx", {})
    tokens("whisper", names, lambda name: base64.b64encode(name.encode()).decode())


def whisper_cpp():
    """whisper.cpp's file with vocabulary and no weights: it takes them for zeros and works all the same. It says nothing."""
    def numbers(*all):
        return struct.pack(f"<{len(all)}i", *all)
    words = [bytes([byte]) for byte in range(256)] + [word.encode() for word in WORDS]
    # Sizes: vocabulary (with Cantonese), audio positions, width, heads, layers; text positions, width, heads, layers; mel bins; f16.
    data = struct.pack("<I", 0x67676D6C) + numbers(51866, 1500, 64, 1, 4, 448, 64, 1, 4, 80, 1)
    data += numbers(80, 201) + np.zeros(80 * 201, np.float32).tobytes()
    data += numbers(len(words)) + b"".join(numbers(len(word)) + word for word in words)
    (HERE / "whisper_cpp").mkdir(exist_ok=True)
    (HERE / "whisper_cpp" / "model.bin").write_bytes(data)


TRANSDUCER = ["<blk>", "<sos/eos>", *WORDS, "射"]


def ear_rows(said):
    """What a transducer's ear hears: at the third place 射 a little likelier than 謝."""
    table = rows(said + [0], len(TRANSDUCER), 4.0)
    table[2, 5] = 4.3
    return table


def transducer_rest(folder):
    """Decoder and joiner, which add nothing to what the encoder says."""
    size, graph = len(TRANSDUCER), Graph()
    y = graph.take("y", ["N", 2], LONG)
    zeros = graph.do("Expand", graph.constant(0.0), graph.join(graph.size(y, 0), graph.number(size)))
    graph.give(zeros, "decoder_out", ["N", size])
    graph.save(folder, "decoder.onnx", {"vocab_size": size, "context_size": 2})
    graph = Graph()
    ear, before = graph.take("encoder_out", ["N", size]), graph.take("decoder_out", ["N", size])
    graph.give(graph.do("Add", ear, before), "logit", ["N", size])
    graph.save(folder, "joiner.onnx", {"joiner_dim": size})
    tokens(folder, TRANSDUCER)


def transducer():
    """Offline."""
    size, graph = len(TRANSDUCER), Graph()
    x, lengths = graph.take("x", ["N", "T", 80]), graph.take("x_lens", ["N"], LONG)
    quarter = graph.do("Div", graph.size(x, 1), graph.number(4))
    last = graph.do("Squeeze", quarter, graph.constant([0], np.int64))
    places = graph.do("Range", graph.constant(0, np.int64), last, graph.constant(1, np.int64))
    heard = graph.do("Gather", graph.constant(ear_rows([2, 3, 4])), graph.do("Min", places, graph.number(3)), axis=0)
    heard = graph.do("Unsqueeze", heard, graph.number(0))
    graph.give(graph.do("Expand", heard, graph.join(graph.size(x, 0), quarter, graph.number(size))), "encoder_out", ["N", "T_out", size])
    graph.give(graph.do("Div", lengths, graph.number(4)), "encoder_out_lens", ["N"], LONG)
    graph.save("transducer", "encoder.onnx", {"model_type": "zipformer2", "version": 1})
    transducer_rest("transducer")


def streaming_transducer():
    """Of the LSTM kind: its state is where it is."""
    size, graph = len(TRANSDUCER), Graph()
    graph.take("x", ["N", 8, 80])
    h, c = graph.take("h", [1, "N", 1]), graph.take("c", [1, "N", 1])
    at = graph.do("Cast", graph.do("Squeeze", h, graph.number(0)), to=LONG)
    places = graph.do("Min", graph.do("Add", at, graph.constant([[0, 1]], np.int64)), graph.number(3))
    graph.give(graph.do("Gather", graph.constant(ear_rows([2, 3, 4])), places, axis=0), "encoder_out", ["N", 2, size])
    graph.give(graph.do("Add", h, graph.constant(2.0)), "next_h", [1, "N", 1])
    graph.give(c, "next_c", [1, "N", 1])
    graph.save("streaming_transducer", "encoder.onnx", {
        "model_type": "lstm", "version": 1, "num_encoder_layers": 1, "T": 8, "decode_chunk_len": 8, "rnn_hidden_size": 1, "d_model": 1})
    transducer_rest("streaming_transducer")


def streaming_zipformer_ctc():
    names = ["<blk>", "<sos/eos>", *WORDS]
    size, graph = len(names), Graph()
    graph.take("x", ["N", 8, 80])
    states = {"cached_key_0": [2, "N", 4], "cached_nonlin_attn_0": [1, "N", 2, 3], "cached_val1_0": [2, "N", 4],
              "cached_val2_0": [2, "N", 4], "cached_conv1_0": ["N", 4, 1], "cached_conv2_0": ["N", 4, 1],
              "embed_states": ["N", 128, 3, 19]}
    kept = {name: graph.take(name, shape) for name, shape in states.items()}
    place = graph.take("processed_lens", ["N"], LONG)
    at = graph.do("Unsqueeze", place, graph.number(1))
    graph.give(later(graph, at, 2, [2, 3, 4], 0, size), "log_probs", ["N", 2, size])
    for name, shape in states.items():
        graph.give(kept[name], f"new_{name}", shape)
    graph.give(graph.do("Add", place, graph.number(2)), "new_processed_lens", ["N"], LONG)
    graph.save("streaming_zipformer_ctc", "model.onnx", {
        "model_type": "zipformer2", "version": 1, "T": 8, "decode_chunk_len": 8, "num_encoder_layers": 1, "encoder_dims": 4,
        "cnn_module_kernels": 3, "left_context_len": 2, "query_head_dims": 4, "value_head_dims": 4, "num_heads": 1})
    tokens("streaming_zipformer_ctc", names)


def streaming_paraformer():
    names = ["<blank>", "<s>", "</s>", *WORDS]
    size, graph = len(names), Graph()
    x = graph.take("speech", ["N", "T", 560])
    lengths = graph.take("speech_lengths", ["N"], INT)
    one, time = graph.size(x, 0), graph.size(x, 1)
    graph.give(graph.do("Expand", graph.constant(0.0), graph.join(one, time, graph.number(2))), "enc", ["N", "T", 2])
    graph.give(lengths, "enc_len", ["N"], INT)
    # A token every five frames of 60 ms: two to a chunk of 600 ms.
    graph.give(graph.do("Expand", graph.constant(0.2), graph.join(one, time)), "alphas", ["N", "T"])
    zeros, ones = ",".join(["0"] * 560), ",".join(["1"] * 560)
    graph.save("streaming_paraformer", "encoder.onnx", {
        "model_type": "paraformer", "vocab_size": size, "lfr_window_size": 7, "lfr_window_shift": 6, "encoder_output_size": 2,
        "decoder_num_blocks": 1, "decoder_kernel_size": 2, "neg_mean": zeros, "inv_stddev": ones})
    graph = Graph()
    for name, shape, kind in [("enc", ["N", "T", 2], FLOAT), ("enc_len", ["N"], INT), ("acoustic_embeds", ["N", "L", 2], FLOAT),
                              ("acoustic_embeds_len", ["N"], INT)]:
        graph.take(name, shape, kind)
    cache = graph.take("in_cache_0", ["N", 2, 1])
    count = graph.size("acoustic_embeds", 1)
    last = graph.do("Squeeze", count, graph.constant([0], np.int64))
    first = graph.do("Cast", graph.do("ReduceMax", cache, keepdims=0), to=LONG)
    places = graph.do("Add", graph.do("Range", graph.constant(0, np.int64), last, graph.constant(1, np.int64)), first)
    ids = graph.do("Gather", graph.constant([3, 4, 5, 0], np.int64), graph.do("Min", places, graph.number(3)), axis=0)
    ids = graph.do("Unsqueeze", ids, graph.number(0))
    graph.give(graph.do("OneHot", ids, graph.constant(size, np.int64), graph.constant([0, 10])), "logits", ["N", "L", size])
    graph.give(ids, "sample_ids", ["N", "L"], LONG)
    graph.give(graph.do("Add", cache, graph.do("Cast", count, to=FLOAT)), "out_cache_0", ["N", 2, 1])
    graph.save("streaming_paraformer", "decoder.onnx", {})
    tokens("streaming_paraformer", names)


MODELS = [  # folder, engine, more lines of the manifest
    ("sense_voice", "sherpa-sense-voice", ""), ("wenet_ctc", "sherpa-wenet-ctc", ""), ("nemo_ctc", "sherpa-offline-nemo-ctc", ""),
    ("zipformer_ctc", "sherpa-offline-zipformer-ctc", ""), ("paraformer", "sherpa-offline-paraformer", ""),
    ("fire_red", "sherpa-fire-red-asr", ""), ("whisper", "sherpa-whisper", ""),
    ("whisper_cpp", "whisper-cpp", ""),
    ("transducer", "sherpa-offline-transducer", 'hot_words = "cjkchar"\n'),
    ("streaming_transducer", "sherpa-transducer", 'hot_words = "cjkchar"\n'),
    ("streaming_zipformer_ctc", "sherpa-zipformer-ctc", ""), ("streaming_paraformer", "sherpa-paraformer", ""),
]


def manifest():
    text = "# Made by make.py beside this file: networks that say the same whatever they hear, with the interfaces of real models.\n"
    for folder, engine, more in MODELS:
        name = "sense-voice-says-thanks" if folder == "sense_voice" else folder.replace("_", "-") + "-says-thanks"
        text += (f'\n[[model]]\nid = "{name}"\nkind = "recogniser"\nengine = "{engine}"\nlanguages = ["yue"]\nrate = 16000\n'
                 f'folder = "{folder}"\nlicence = "Apache-2.0 OR MIT"\ncommercial = "free"\nsource = "tests/data/models/make.py"\n{more}')
        for file in sorted((HERE / folder).iterdir()):
            data = file.read_bytes()
            text += (f'\n[[model.file]]\nrole = "{file.name.split(".")[0]}"\nname = "{file.name}"\n'
                     f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}\n')
    (HERE / "manifest.toml").write_text(text, "utf-8")


if __name__ == "__main__":
    for make in (sense_voice, wenet_ctc, nemo_ctc, zipformer_ctc, paraformer, fire_red, whisper, whisper_cpp, transducer, streaming_transducer,
                 streaming_zipformer_ctc, streaming_paraformer):
        make()
    manifest()
