"""Our numpy features against kaldi-native-fbank, set up as sherpa-onnx sets it for NeMo models."""
import kaldi_native_fbank as knf
import numpy as np

import line


def reference(wave16):
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = 16000
    options.frame_opts.snip_edges = False
    options.frame_opts.window_type = "hann"
    options.frame_opts.remove_dc_offset = False
    options.mel_opts.num_bins = line.BINS
    options.mel_opts.low_freq = 0
    options.mel_opts.high_freq = 0
    options.mel_opts.is_librosa = True
    bank = knf.OnlineFbank(options)
    bank.accept_waveform(16000, wave16.tolist())
    bank.input_finished()
    return np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    wave = (rng.standard_normal(24321) * np.linspace(0, 0.2, 24321)).astype(np.float32)
    wave[:3000] = 0
    theirs, ours = reference(wave), line.features(wave)
    assert theirs.shape == ours.shape, (theirs.shape, ours.shape)
    worst = np.abs(theirs - ours).max()
    print("largest difference", worst)
    assert worst < 2e-2
