"""Makes networks that say the same whatever they hear, with the interface of the real ones: to prove an adapter without weights.

    python make.py          (needs onnx; writes beside itself)

sense_voice.onnx   SenseVoice as sherpa-onnx loads it: language Cantonese, angry, speech, then 好多謝
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
TOKENS = ["<blank>", "<|yue|>", "<|ANGRY|>", "<|Speech|>", "<|woitn|>", "好", "多", "謝", "<|zh|>", "<|en|>", "<|ja|>", "<|ko|>", "<|nospeech|>"]
SAID = [1, 2, 3, 4, 5, 6, 7]
FEATURES = 560


def sense_voice():
    size = len(TOKENS)
    said = np.full((1, len(SAID), size), -10, np.float32)
    for at, token in enumerate(SAID):
        said[0, at, token] = 10
    blank = np.full((1, 1, size), -10, np.float32)
    blank[0, 0, 0] = 10
    constants = [numpy_helper.from_array(said, "said"), numpy_helper.from_array(blank, "blank"),
                 numpy_helper.from_array(np.array([1], np.int64), "one"), numpy_helper.from_array(np.array([size], np.int64), "size"),
                 numpy_helper.from_array(np.array([len(SAID) - 4], np.int64), "more"), numpy_helper.from_array(np.array([1], np.int64), "axis")]
    # The real network answers with four rows more than it is given: language, emotion, event and text normalisation.
    nodes = [helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("Gather", ["shape", "axis"], ["length"]),
             helper.make_node("Sub", ["length", "more"], ["rest"]), helper.make_node("Concat", ["one", "rest", "size"], ["wanted"], axis=0),
             helper.make_node("Expand", ["blank", "wanted"], ["blanks"]), helper.make_node("Concat", ["said", "blanks"], ["logits"], axis=1)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", FEATURES])]
    inputs += [helper.make_tensor_value_info(n, TensorProto.INT32, ["N"]) for n in ("x_length", "language", "text_norm")]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", "T_out", size])
    model = helper.make_model(helper.make_graph(nodes, "sense_voice", inputs, [output], constants),
                              opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    meta = {"lfr_window_size": 7, "lfr_window_shift": 6, "normalize_samples": 0, "with_itn": 14, "without_itn": 15, "lang_auto": 0,
            "lang_zh": 3, "lang_en": 4, "lang_yue": 7, "lang_ja": 11, "lang_ko": 12, "vocab_size": size, "model_type": "sense_voice_ctc",
            "version": 1, "model_author": "tingwa", "maintainer": "tingwa", "url": "", "comment": "says the same whatever it hears",
            "neg_mean": ",".join(["0"] * FEATURES), "inv_stddev": ",".join(["1"] * FEATURES)}
    for key, value in meta.items():
        model.metadata_props.add(key=key, value=str(value))
    onnx.checker.check_model(model)
    folder = HERE / "sense_voice"
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    (folder / "tokens.txt").write_text("".join(f"{t} {i}\n" for i, t in enumerate(TOKENS)), "utf-8")


if __name__ == "__main__":
    sense_voice()
