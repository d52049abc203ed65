//! What one packet costs on the live path, per 20 ms frame. The marks are those of the media survey: RTP parse 15 ns, G.711
//! encode and decode 31 to 52 ns, half-band resampling under 1 µs, Goertzel 0.4 µs.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock for the machine")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tingwa::audio::dtmf::Detector;
use tingwa::audio::frame::{Frame, WideFrame};
use tingwa::audio::g711::Law;
use tingwa::audio::loudness::dbfs;
use tingwa::audio::mix;
use tingwa::audio::resample::{Downsampler16To8, Upsampler8To16};
use tingwa::audio::tone::{Tone, ToneSource};
use tingwa::media::bridge::{Arrangement, Bridge, Spoken, Supervision};
use tingwa::media::negotiate::{Codec, Direction, Negotiated};
use tingwa::media::stream::{Input, Output, Stream, StreamConfig, Use};
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

/// Counts allocations, so that a bench can prove that there are none.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One leg on a simulated clock: a packet comes in every 20 ms, a frame goes out, the recogniser hears.
struct Leg {
    stream: Stream,
    upsampler: Upsampler8To16,
    now: Instant,
    sequence: SequenceNumber,
    timestamp: Timestamp,
    bytes: Vec<u8>,
    frame: Frame,
}

impl Leg {
    fn new() -> Self {
        let now = Instant::now();
        let remote = std::net::SocketAddr::from(([192, 0, 2, 2], 5000));
        let negotiated = Negotiated {
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            event_clock_hz: 8000,
            other_event: None,
            remote,
            remote_rtcp: remote,
            ptime_ms: 20,
            direction: Direction::SendRecv,
            srtp: None,
            dtls: None,
            voip_metrics: false,
            dtx: false,
        };
        let config =
            StreamConfig { negotiated, peer: None, cname: "bench".into(), seed: 1, patience: Duration::from_secs(10) };
        Self {
            stream: Stream::new(config, now),
            upsampler: Upsampler8To16::new(),
            now,
            sequence: HEADER.sequence,
            timestamp: HEADER.timestamp,
            bytes: packet(),
            frame: sounding_frame(),
        }
    }

    /// Another packet, 20 ms later.
    fn step(&mut self) {
        self.now += Duration::from_millis(20);
        self.sequence = self.sequence.next();
        self.timestamp = self.timestamp.add(160);
        let header = RtpHeader { sequence: self.sequence, timestamp: self.timestamp, ..HEADER };
        header.write(&mut self.bytes);
    }

    /// Parse, statistics, jitter buffer, decode, order for the recogniser, upsample. `lost`: the packet does not come.
    fn receive(&mut self, lost: bool) {
        self.step();
        if !lost {
            let from = std::net::SocketAddr::from(([192, 0, 2, 2], 5000));
            self.stream.handle(self.now, Input::Rtp { from, bytes: black_box(&self.bytes) });
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.stream.poll() {
            if let Output::Heard(frame) = &output {
                black_box(self.upsampler.process(frame));
            }
            black_box(&output);
        }
    }

    /// Receives, and gives on to the other leg, which sends.
    fn pass_to(&mut self, other: &mut Self) {
        self.step();
        let from = std::net::SocketAddr::from(([192, 0, 2, 2], 5000));
        self.stream.handle(self.now, Input::Rtp { from, bytes: black_box(&self.bytes) });
        while let Some(output) = self.stream.poll() {
            if let Output::Pass(passing) = &output {
                other.stream.handle(self.now, Input::Pass(passing));
                other.drain();
            }
            black_box(&output);
        }
    }

    fn pull(&mut self) {
        black_box(self.stream.pull(self.now));
    }

    fn send(&mut self) {
        self.stream.handle(self.now, Input::Send(black_box(&self.frame)));
        self.drain();
    }
}

/// A packet of one side of a bridge that passes to the other as it is; `heard`: decoded for recording and recogniser too.
/// A bridged call does this a hundred times a second.
fn pass(c: &mut Criterion) {
    for (name, usage) in [("path/pass", Use::Passed), ("path/pass_and_hear", Use::HeardAndPassed)] {
        let (mut leg, mut other) = (Leg::new(), Leg::new());
        leg.stream.pass_on(usage);
        c.bench_function(name, |b| b.iter(|| leg.pass_to(&mut other)));
    }
}

fn whole_path(c: &mut Criterion) {
    let mut leg = Leg::new();
    c.bench_function("path/receive_to_recogniser", |b| b.iter(|| leg.receive(false)));
    let mut leg = Leg::new();
    c.bench_function("path/receive_and_pull", |b| {
        b.iter(|| {
            leg.receive(false);
            leg.pull();
        });
    });
    let mut leg = Leg::new();
    let mut n = 0u32;
    c.bench_function("path/receive_and_pull_5%_lost", |b| {
        b.iter(|| {
            n += 1;
            leg.receive(n.is_multiple_of(20));
            leg.pull();
        });
    });
    let mut leg = Leg::new();
    c.bench_function("path/send", |b| {
        b.iter(|| {
            leg.now += Duration::from_millis(20);
            leg.send();
        });
    });
    let mut bridge = Bridge::new();
    bridge.arrange(Arrangement::Bridged);
    bridge.supervise(Supervision::Barge);
    let frame = sounding_frame();
    let spoken = Spoken { caller: frame.clone(), agent: frame.clone(), supervisor: frame, ..Spoken::default() };
    c.bench_function("path/bridge_of_three", |b| b.iter(|| bridge.mix(black_box(&spoken))));
}

/// 100 000 packets in, out and pulled, some lost, after warm-up: not one allocation, but for the RTCP reports' (seven a
/// report, one report in 5 s).
fn no_allocation_per_packet(_: &mut Criterion) {
    let mut leg = Leg::new();
    let (mut from, mut to) = (Leg::new(), Leg::new());
    from.stream.pass_on(Use::Passed);
    let mut run = |packets: u32| {
        let mut allocating = 0u32;
        for n in 0..packets {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            leg.receive(n % 20 == 7);
            leg.pull();
            leg.send();
            allocating += u32::from(ALLOCATIONS.load(Ordering::Relaxed) != before);
        }
        allocating
    };
    run(1_000);
    let allocating = run(100_000);
    let mut passing = |packets: u32| {
        let mut allocating = 0u32;
        for _ in 0..packets {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            from.pass_to(&mut to);
            allocating += u32::from(ALLOCATIONS.load(Ordering::Relaxed) != before);
        }
        allocating
    };
    passing(1_000);
    let passed = passing(100_000);
    println!("allocation: {passed} of 100000 packets passed (RTCP reports: about 800)");
    assert!(passed <= 100_000 / 60, "{passed} of 100000 packets allocated; only reports may");
    println!("allocation: {allocating} of 100000 packets (RTCP reports: about 400)");
    assert!(allocating <= 100_000 / 125, "{allocating} of 100000 packets allocated; only reports may");
}

criterion_group!(benches, no_allocation_per_packet, wire, audio, packet_to_recogniser, whole_path, pass);
criterion_main!(benches);
