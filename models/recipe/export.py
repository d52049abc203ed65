"""Checkpoint -> model.int8.onnx and tokens.txt for sherpa-onnx's streaming NeMo-CTC recogniser.

    python export.py --checkpoint FILE --out DIR

The averaged weights are exported. Files are put in place by rename, so a reader never sees half of one.
"""
import argparse
import os
import pathlib
import tempfile

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # PyPI onnxruntime >= 1.29 would otherwise write a device id into ~/.cache

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

import line
import net as network

CHUNK = 8  # feature frames to a call: 80 ms
INPUTS = ["audio_signal", "length", "cache_last_channel", "cache_last_time", "cache_last_channel_len"]
OUTPUTS = ["logprobs", "encoded_lengths", "cache_last_channel_next", "cache_last_time_next", "cache_last_channel_next_len"]


class NemoFace(torch.nn.Module):
    """Our network behind NeMo's names: 80 mel bins in, the two channel caches passed through."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, audio_signal, length, cache_last_channel, cache_last_time, cache_last_channel_len):
        log_probs, cache, _ = self.net(audio_signal.transpose(1, 2)[:, :, :line.KEPT], cache_last_time)
        return log_probs, length // network.STACK, cache_last_channel + 0.0, cache, cache_last_channel_len + 0


def metadata(tokens):
    return {"model_type": "EncDecCTCModelBPE", "normalize_type": "", "window_size": CHUNK, "chunk_shift": CHUNK,
            "subsampling_factor": network.STACK, "vocab_size": tokens - 1,
            "cache_last_channel_dim1": 1, "cache_last_channel_dim2": 1, "cache_last_channel_dim3": 1,
            "cache_last_time_dim1": len(network.DILATION), "cache_last_time_dim2": network.CONTEXT,
            "cache_last_time_dim3": network.WIDTH, "comment": "tingwa espeak test model: yue, cmn, en"}


def example(n=2):
    return (torch.randn(n, line.BINS, CHUNK), torch.full((n,), CHUNK, dtype=torch.long), torch.zeros(n, 1, 1, 1),
            torch.zeros(n, len(network.DILATION), network.CONTEXT, network.WIDTH), torch.zeros(n, dtype=torch.long))


def main(args):
    was = torch.load(args.checkpoint, weights_only=False)
    net = network.Net(len(was["names"]))
    net.load_state_dict(was["average"])
    face, batch = NemoFace(net.eval()), torch.export.Dim("N", min=1, max=256)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        full, small = f"{folder}/model.onnx", f"{folder}/model.int8.onnx"
        program = torch.onnx.export(face, example(), dynamo=True, input_names=INPUTS, output_names=OUTPUTS,
                                    dynamic_shapes=tuple({0: batch} for _ in INPUTS), opset_version=18, verbose=False)
        program.save(full)
        quantize_dynamic(full, small, weight_type=QuantType.QInt8)
        model = onnx.load(small)
        del model.metadata_props[:]
        for node in list(model.graph.node) + list(model.graph.initializer):
            if hasattr(node, "metadata_props"):
                del node.metadata_props[:]   # the exporter leaves paths of this machine in them
        for graph in model.graph.input, model.graph.output, model.graph.value_info:
            for value in graph:
                del value.metadata_props[:]
        for key, value in metadata(len(was["names"])).items():
            model.metadata_props.add(key=key, value=str(value))
        onnx.checker.check_model(model)
        onnx.save(model, small)
        with open(f"{folder}/tokens.txt", "w", encoding="utf-8") as file:
            file.writelines(f"{name} {i}\n" for i, name in enumerate(was["names"]))
        os.replace(f"{folder}/tokens.txt", args.out / "tokens.txt")
        os.replace(small, args.out / "model.int8.onnx")
    size = (args.out / "model.int8.onnx").stat().st_size
    print(f"model.int8.onnx {size} bytes, {len(was['names'])} tokens, {was['step']} steps, {was['spent'] / 60:.1f} min of training")


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--checkpoint", type=pathlib.Path, required=True)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    main(ask.parse_args())
