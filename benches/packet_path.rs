//! What one packet costs on the live path, per 20 ms frame. The marks are those of the media survey: RTP parse 15 ns, G.711
//! encode and decode 31 to 52 ns, half-band resampling under 1 µs, Goertzel 0.4 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tingwa::audio::dtmf::Detector;
use tingwa::audio::frame::{Frame, WideFrame};
use tingwa::audio::g711::Law;
use tingwa::audio::loudness::dbfs;
use tingwa::audio::mix;
use tingwa::audio::resample::{Downsampler16To8, Upsampler8To16};
use tingwa::audio::tone::{Tone, ToneSource};
use tingwa::wire::rtp::{PayloadType, RtpHeader, RtpPacket, SequenceNumber, Ssrc, Timestamp};

const HEADER: RtpHeader = RtpHeader {
    marker: false,
    payload_type: PayloadType::PCMU,
    sequence: SequenceNumber(7),
    timestamp: Timestamp(1_120),
    ssrc: Ssrc(0x1234_5678),
};

fn sounding_frame() -> Frame {
    let mut source = ToneSource::new(Tone::RINGBACK);
    source.next_frame();
    source.next_frame()
}

fn packet() -> Vec<u8> {
    let mut bytes = HEADER.to_bytes().to_vec();
    bytes.extend(Law::Mu.encode_frame(&sounding_frame()));
    bytes
}

fn wire(c: &mut Criterion) {
    let bytes = packet();
    c.bench_function("rtp/parse", |b| {
        b.iter(|| {
            let packet = RtpPacket::parse(black_box(&bytes)).expect("a sound packet");
            (packet.sequence(), packet.timestamp(), packet.payload().len())
        });
    });
    let mut out = [0u8; 172];
    c.bench_function("rtp/write_header", |b| b.iter(|| black_box(HEADER).write(black_box(&mut out))));
}

fn audio(c: &mut Criterion) {
    let frame = sounding_frame();
    let wide = WideFrame([1_000; 320]);
    let payload = packet().split_off(12);
    for law in [Law::Mu, Law::A] {
        c.bench_function(&format!("g711/decode_{law:?}"), |b| b.iter(|| law.decode_frame(black_box(&payload))));
        c.bench_function(&format!("g711/encode_{law:?}"), |b| b.iter(|| law.encode_frame(black_box(&frame))));
    }
    let mut upsampler = Upsampler8To16::new();
    c.bench_function("resample/8_to_16", |b| b.iter(|| upsampler.process(black_box(&frame))));
    let mut downsampler = Downsampler16To8::new();
    c.bench_function("resample/16_to_8", |b| b.iter(|| downsampler.process(black_box(&wide))));
    c.bench_function("mix/sum_of_3", |b| b.iter(|| mix::sum(black_box([&frame, &frame, &frame]))));
    let mut faded = frame.clone();
    c.bench_function("mix/fade", |b| b.iter(|| mix::fade(black_box(&mut faded), 1.0, 0.99)));
    c.bench_function("loudness/dbfs", |b| b.iter(|| dbfs(black_box(&frame.0))));
    let mut detector = Detector::new();
    c.bench_function("dtmf/detect", |b| b.iter(|| detector.push(black_box(&frame))));
    let mut source = ToneSource::new(Tone::RINGBACK);
    c.bench_function("tone/ringback", |b| b.iter(|| source.next_frame()));
}

/// A caller's packet on its way to the recogniser: parse, decode, resample.
fn packet_to_recogniser(c: &mut Criterion) {
    let bytes = packet();
    let mut upsampler = Upsampler8To16::new();
    c.bench_function("packet/parse_decode_resample", |b| {
        b.iter(|| {
            let packet = RtpPacket::parse(black_box(&bytes)).expect("a sound packet");
            upsampler.process(&Law::Mu.decode_frame(packet.payload()))
        });
    });
}

criterion_group!(benches, wire, audio, packet_to_recogniser);
criterion_main!(benches);
