//! What one call costs the engine: a frame through voice activity, a frame through the recogniser alone and in a batch,
//! the final transcript, the first piece of a prompt. Needs `make setup`, the small model and espeak-ng.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tingwa::audio::frame::{Frame, WideFrame};
use tingwa::audio::resample::Upsampler8To16;
use tingwa::engine::local::LocalEngines;
use tingwa::engine::manifest::{DEFAULT_PATH, Manifest};
use tingwa::engine::recogniser::any::AnyRecogniser;
use tingwa::engine::recogniser::{Recogniser, RecogniserStream};
use tingwa::engine::synthesiser::espeak::{Espeak, EspeakConfig};
use tingwa::engine::synthesiser::{Cancel, Synthesiser, Words};
use tingwa::engine::vad::Vad;
use tingwa::engine::worker::EngineFactory;
use tingwa::speech::Language;

const WORDS: Words<'static> =
    Words { text: "i would like to check my phone bill for last month please", language: Language::English };

fn espeak() -> Espeak {
    Espeak::find(EspeakConfig::default()).expect("espeak-ng")
}

fn say() -> Vec<WideFrame> {
    let mut samples = Vec::new();
    let mut sink = |piece: Arc<[i16]>| {
        samples.extend_from_slice(&piece);
        ControlFlow::Continue(())
    };
    espeak().speak(WORDS, &Cancel::default(), &mut sink).expect("speech");
    let mut up = Upsampler8To16::default();
    Frame::split(&samples).map(|frame| up.process(&frame)).collect()
}

fn engines() -> LocalEngines {
    let manifest = Manifest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_PATH)).expect("manifest");
    LocalEngines::of(&manifest, "tiny-trilingual", "silero-vad").expect("models")
}

fn voice_activity(c: &mut Criterion) {
    let (_, mut vad) = engines().make().expect("make setup");
    let mut group = c.benchmark_group("voice_activity");
    group.throughput(Throughput::Elements(1));
    for (name, frames) in [("speech", say()), ("silence", vec![WideFrame::SILENCE; 100])] {
        let (mut stream, mut out, mut frames) = (vad.open(), Vec::new(), frames.iter().cycle());
        group.bench_function(format!("20ms_{name}"), |b| {
            b.iter(|| {
                out.clear();
                vad.detect(&mut stream, frames.next().expect("a cycle"), &mut out).expect("vad");
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// Enough frames for one chunk of the model, so that every iteration decodes once.
fn chunk(recogniser: &AnyRecogniser, streams: &mut [<AnyRecogniser as Recogniser>::Stream], frames: &[WideFrame]) {
    for frame in frames {
        streams.iter_mut().for_each(|stream| stream.accept(frame));
    }
    recogniser.decode(&mut streams.iter_mut().collect::<Vec<_>>());
}

fn recogniser(c: &mut Criterion) {
    let (recogniser, _) = engines().make().expect("make setup");
    let frames = say();
    let mut group = c.benchmark_group("recogniser");
    for calls in [1, 8, 32] {
        group.throughput(Throughput::Elements(calls));
        group.bench_function(format!("160ms_of_{calls}_calls"), |b| {
            b.iter_batched_ref(
                || (0..calls).map(|_| recogniser.open(&Default::default()).expect("a stream")).collect::<Vec<_>>(),
                |streams| chunk(&recogniser, streams, &frames[16..32]),
                BatchSize::SmallInput,
            );
        });
    }
    group.bench_function("open_a_stream", |b| b.iter(|| recogniser.open(&Default::default()).expect("a stream")));
    group.bench_function("final_transcript", |b| {
        b.iter_batched_ref(
            || {
                let mut streams = vec![recogniser.open(&Default::default()).expect("a stream")];
                chunk(&recogniser, &mut streams, &frames);
                streams
            },
            |streams| black_box(streams[0].finish()),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn synthesiser(c: &mut Criterion) {
    let espeak = espeak();
    let mut group = c.benchmark_group("synthesiser");
    group.bench_function("first_piece", |b| {
        b.iter(|| espeak.speak(WORDS, &Cancel::default(), &mut |_| ControlFlow::Break(())).expect("speech"));
    });
    group.bench_function("whole_prompt", |b| {
        b.iter(|| espeak.speak(WORDS, &Cancel::default(), &mut |_| ControlFlow::Continue(())).expect("speech"));
    });
    group.finish();
}

criterion_group!(benches, voice_activity, recogniser, synthesiser);
criterion_main!(benches);
