//! Timed sending of prompts: pieces of speech come in as the synthesiser makes them, frames of 20 ms go out. One prompt at a
//! time; where none plays, music if there is any. Knows how much was heard, for barge-in and the journal.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::audio::frame::{FRAME_SAMPLES, Frame};
use crate::audio::mix;
use crate::ids::SpeakId;

/// Most audio of one prompt that waits to be played: 180 s, the longest recorded prompt.
pub const QUEUE_SAMPLES: usize = 180 * 8000;
/// Fade where audio is cut: 10 ms.
const FADE: usize = 80;
/// Events that wait to be polled; more are dropped.
const EVENTS: usize = 16;

/// What became of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayoutEvent {
    /// Its first frame was given out.
    Started {
        /// Which.
        speak: SpeakId,
    },
    /// It is over.
    Ended {
        /// Which.
        speak: SpeakId,
        /// How much of it was given out, ms.
        played_ms: u32,
        /// True where it was cut by [`Playout::stop`] or by another prompt.
        stopped: bool,
    },
}

#[derive(Debug)]
struct Prompt {
    speak: SpeakId,
    pieces: VecDeque<Arc<[i16]>>,
    /// Samples of the first piece that were given out.
    offset: usize,
    /// Samples that wait, in all pieces.
    waiting: usize,
    played: usize,
    /// No more pieces will come.
    complete: bool,
    started: bool,
}

impl Prompt {
    /// Moves up to `out.len()` samples into `out`; returns how many.
    fn take(&mut self, out: &mut [i16]) -> usize {
        let mut taken = 0;
        while taken < out.len() {
            let Some(piece) = self.pieces.front() else { break };
            let rest = &piece[self.offset.min(piece.len())..];
            let length = rest.len().min(out.len() - taken);
            out[taken..taken + length].copy_from_slice(&rest[..length]);
            taken += length;
            self.offset += length;
            if length == rest.len() {
                self.pieces.pop_front();
                self.offset = 0;
            }
        }
        self.waiting -= taken;
        self.played += taken;
        taken
    }

    fn played_ms(&self) -> u32 {
        (self.played / 8) as u32
    }
}

#[derive(Debug)]
struct Music {
    samples: Arc<[i16]>,
    position: usize,
}

/// The playout towards one listener. Ask it for a frame every 20 ms.
#[derive(Debug, Default)]
pub struct Playout {
    prompt: Option<Prompt>,
    paused: bool,
    /// The faded end of what was cut, to be played in the next frame.
    tail: Option<[i16; FADE]>,
    /// The next prompt samples fade in.
    fade_in: bool,
    music: Option<Music>,
    /// Factor that the last frame of music ended with.
    music_gain: f32,
    underruns: u32,
    events: VecDeque<PlayoutEvent>,
}

impl Playout {
    /// Nothing plays.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new prompt, whose pieces follow. What is playing is stopped.
    pub fn start(&mut self, speak: SpeakId) {
        self.stop();
        self.paused = false;
        self.prompt = Some(Prompt {
            speak,
            pieces: VecDeque::new(),
            offset: 0,
            waiting: 0,
            played: 0,
            complete: false,
            started: false,
        });
    }

    /// A piece of the prompt, 8 kHz. False, and the piece dropped, when that prompt is not the present one (it was stopped)
    /// or when 180 s wait already.
    pub fn push(&mut self, speak: SpeakId, piece: Arc<[i16]>) -> bool {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.speak == speak) else { return false };
        if prompt.complete || prompt.waiting + piece.len() > QUEUE_SAMPLES {
            return false;
        }
        if !piece.is_empty() {
            prompt.waiting += piece.len();
            prompt.pieces.push_back(piece);
        }
        true
    }

    /// No more pieces of this prompt will come.
    pub fn finish(&mut self, speak: SpeakId) {
        if let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.speak == speak) {
            prompt.complete = true;
        }
    }

    /// What plays, over and over, while no prompt does. `None`: silence.
    pub fn music(&mut self, samples: Option<Arc<[i16]>>) {
        match samples.filter(|samples| !samples.is_empty()) {
            Some(samples) => {
                self.music = Some(Music { samples, position: 0 });
                self.music_gain = 0.0;
            }
            None => {
                if let Some(music) = self.music.take() {
                    let mut tail = [0; FADE];
                    loop_into(&music.samples, music.position, &mut tail);
                    mix::fade_slice(&mut tail, self.music_gain, 0.0);
                    self.add_tail(tail);
                }
            }
        }
    }

    /// Cuts the prompt off with a fade of 10 ms.
    pub fn stop(&mut self) {
        let Some(mut prompt) = self.prompt.take() else { return };
        if prompt.started && !self.paused {
            let mut tail = [0; FADE];
            prompt.take(&mut tail);
            mix::fade_slice(&mut tail, 1.0, 0.0);
            self.add_tail(tail);
        }
        self.paused = false;
        self.emit(PlayoutEvent::Ended { speak: prompt.speak, played_ms: prompt.played_ms(), stopped: true });
    }

    /// Holds the prompt where it is, fading out. Music holds too.
    pub fn pause(&mut self) {
        if let Some(prompt) = self.prompt.as_mut().filter(|prompt| !self.paused && prompt.started) {
            let mut tail = [0; FADE];
            prompt.take(&mut tail);
            mix::fade_slice(&mut tail, 1.0, 0.0);
            self.add_tail(tail);
        }
        self.paused = true;
    }

    /// Goes on.
    pub fn resume(&mut self) {
        self.fade_in = self.paused;
        self.paused = false;
    }

    /// The next 20 ms.
    pub fn next_frame(&mut self) -> Frame {
        let mut frame = Frame::SILENCE;
        if !self.paused {
            self.play_prompt(&mut frame);
        }
        self.play_music(&mut frame);
        if let Some(tail) = self.tail.take() {
            for (sample, &more) in frame.0.iter_mut().zip(&tail) {
                *sample = sample.saturating_add(more);
            }
        }
        frame
    }

    fn play_prompt(&mut self, frame: &mut Frame) {
        let Some(prompt) = &mut self.prompt else { return };
        let taken = prompt.take(&mut frame.0);
        if std::mem::take(&mut self.fade_in) {
            mix::fade_slice(&mut frame.0[..FADE], 0.0, 1.0);
        }
        let speak = prompt.speak;
        let begins = taken > 0 && !prompt.started;
        prompt.started |= begins;
        let ended = prompt.complete && prompt.waiting == 0;
        let played_ms = prompt.played_ms();
        if taken < FRAME_SAMPLES && prompt.started && !prompt.complete {
            self.underruns += 1;
        }
        if begins {
            self.emit(PlayoutEvent::Started { speak });
        }
        if ended {
            self.prompt = None;
            self.emit(PlayoutEvent::Ended { speak, played_ms, stopped: false });
        }
    }

    fn play_music(&mut self, frame: &mut Frame) {
        let audible = self.prompt.is_none() && !self.paused;
        let Some(music) = &mut self.music else { return };
        let gain = if audible { 1.0 } else { 0.0 };
        if self.music_gain == 0.0 && gain == 0.0 {
            return;
        }
        let mut part = Frame::SILENCE;
        music.position = loop_into(&music.samples, music.position, &mut part.0);
        mix::fade(&mut part, self.music_gain, gain);
        self.music_gain = gain;
        mix::add(frame, &part);
    }

    fn add_tail(&mut self, tail: [i16; FADE]) {
        let kept = self.tail.get_or_insert([0; FADE]);
        for (kept, more) in kept.iter_mut().zip(tail) {
            *kept = kept.saturating_add(more);
        }
    }

    fn emit(&mut self, event: PlayoutEvent) {
        if self.events.len() < EVENTS {
            self.events.push_back(event);
        }
    }

    /// The next event.
    pub fn poll(&mut self) -> Option<PlayoutEvent> {
        self.events.pop_front()
    }

    /// Which prompt plays, and how much of it was given out, ms.
    pub fn position(&self) -> Option<(SpeakId, u32)> {
        self.prompt.as_ref().map(|prompt| (prompt.speak, prompt.played_ms()))
    }

    /// True from [`Self::start`] to the prompt's end, pauses included.
    pub fn is_speaking(&self) -> bool {
        self.prompt.is_some()
    }

    /// True where the next frame is silence whatever comes: no prompt, no music, nothing that fades.
    pub fn is_quiet(&self) -> bool {
        self.prompt.is_none() && self.music.is_none() && self.tail.is_none()
    }

    /// Frames with silence in the middle of a prompt, because its next piece had not come.
    pub fn underruns(&self) -> u32 {
        self.underruns
    }
}

/// Fills `out` with `samples` from `position` on, over and over; returns where it stopped.
fn loop_into(samples: &[i16], mut position: usize, out: &mut [i16]) -> usize {
    let mut filled = 0;
    while filled < out.len() && !samples.is_empty() {
        position %= samples.len();
        let length = (samples.len() - position).min(out.len() - filled);
        out[filled..filled + length].copy_from_slice(&samples[position..position + length]);
        filled += length;
        position += length;
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SpeakId = SpeakId(1);
    const TWO: SpeakId = SpeakId(2);

    fn piece(value: i16, length: usize) -> Arc<[i16]> {
        vec![value; length].into()
    }

    fn ended(speak: SpeakId, played_ms: u32, stopped: bool) -> Option<PlayoutEvent> {
        Some(PlayoutEvent::Ended { speak, played_ms, stopped })
    }

    #[test]
    fn the_longest_recorded_prompt_is_played_whole() {
        let mut playout = Playout::new();
        playout.start(SpeakId(1));
        assert!(playout.push(SpeakId(1), Arc::from(vec![1i16; QUEUE_SAMPLES])), "180 s in one piece");
        assert!(!playout.push(SpeakId(1), Arc::from(vec![1i16; 1])), "and no more");
        playout.finish(SpeakId(1));
        let frames = std::iter::from_fn(|| (playout.position().is_some()).then(|| playout.next_frame())).count();
        assert!((9_000..=9_001).contains(&frames), "{frames}");
    }

    #[test]
    fn pieces_of_any_length_are_joined() {
        let mut playout = Playout::new();
        playout.start(ONE);
        for (n, length) in [7, 0, 500, 1, 292].into_iter().enumerate() {
            assert!(playout.push(ONE, piece(n as i16 + 1, length)));
        }
        playout.finish(ONE);
        assert!(!playout.push(ONE, piece(9, 9)), "finished");
        let mut samples = Vec::new();
        for n in 0..5 {
            assert_eq!(playout.position(), Some((ONE, 20 * n)));
            samples.extend(playout.next_frame().0);
        }
        assert_eq!(samples.len(), 800);
        assert_eq!((samples[6], samples[7], samples[507], samples[508]), (1, 3, 4, 5));
        assert_eq!(playout.poll(), Some(PlayoutEvent::Started { speak: ONE }));
        assert_eq!(playout.poll(), ended(ONE, 100, false));
        assert_eq!((playout.poll(), playout.is_speaking()), (None, false));
        assert_eq!(playout.next_frame(), Frame::SILENCE);
        assert_eq!(playout.underruns(), 0);
    }

    #[test]
    fn a_late_piece_is_silence_and_counted() {
        let mut playout = Playout::new();
        playout.start(ONE);
        assert_eq!(playout.next_frame(), Frame::SILENCE);
        assert_eq!((playout.underruns(), playout.poll()), (0, None), "not begun, so nothing is missing");
        playout.push(ONE, piece(5, 200));
        playout.next_frame();
        let short = playout.next_frame();
        assert_eq!((short.0[39], short.0[40]), (5, 0));
        playout.next_frame();
        assert_eq!(playout.underruns(), 2);
        playout.push(ONE, piece(6, 100));
        playout.finish(ONE);
        assert_eq!(playout.next_frame().0[99], 6);
        playout.poll();
        assert_eq!(playout.poll(), ended(ONE, 37, false), "300 samples");
    }

    #[test]
    fn stopping_fades_within_10_ms() {
        let mut playout = Playout::new();
        playout.start(ONE);
        playout.push(ONE, piece(8000, 8000));
        playout.next_frame();
        playout.poll();
        playout.stop();
        assert!(!playout.is_quiet(), "it fades");
        assert_eq!(playout.poll(), ended(ONE, 30, true));
        assert!(!playout.push(ONE, piece(1, 1)), "pieces that were under way are dropped");
        let fade = playout.next_frame();
        assert!(fade.0[0] == 8000 && (3900..4100).contains(&fade.0[40]) && fade.0[79] <= 100);
        assert!(fade.0[80..].iter().all(|&s| s == 0));
        assert_eq!(playout.next_frame(), Frame::SILENCE);
        playout.stop();
        assert_eq!(playout.poll(), None, "nothing plays");
    }

    #[test]
    fn another_prompt_takes_over() {
        let mut playout = Playout::new();
        playout.start(ONE);
        playout.push(ONE, piece(100, 8000));
        playout.next_frame();
        playout.poll();
        playout.start(TWO);
        playout.push(TWO, piece(7, 160));
        playout.finish(TWO);
        let frame = playout.next_frame();
        assert_eq!((frame.0[0], frame.0[159]), (107, 7), "the old one fades under the new one");
        assert_eq!(playout.poll(), ended(ONE, 30, true));
        assert_eq!(playout.poll(), Some(PlayoutEvent::Started { speak: TWO }));
        assert_eq!(playout.poll(), ended(TWO, 20, false));
    }

    #[test]
    fn a_prompt_without_audio_ends() {
        let mut playout = Playout::new();
        playout.start(ONE);
        playout.finish(ONE);
        playout.next_frame();
        assert_eq!(playout.poll(), ended(ONE, 0, false));
    }

    #[test]
    fn pause_and_resume_lose_nothing_but_the_fade() {
        let mut playout = Playout::new();
        playout.start(ONE);
        playout.push(ONE, piece(1000, 160 * 3));
        playout.finish(ONE);
        playout.next_frame();
        playout.pause();
        let fading = playout.next_frame();
        assert!(fading.0[0] == 1000 && fading.0[80] == 0);
        assert_eq!(playout.next_frame(), Frame::SILENCE);
        assert_eq!(playout.position(), Some((ONE, 30)));
        playout.resume();
        let back = playout.next_frame();
        assert!(back.0[0] == 0 && back.0[80] == 1000);
        playout.next_frame();
        playout.poll();
        assert_eq!(playout.poll(), ended(ONE, 60, false));
    }

    #[test]
    fn music_loops_and_yields_to_prompts() {
        let mut playout = Playout::new();
        let music: Arc<[i16]> = (0..250).map(|n| 1000 + n).collect::<Vec<i16>>().into();
        playout.music(Some(music));
        assert!(playout.next_frame().0[0] == 0, "fades in");
        let frame = playout.next_frame();
        assert_eq!((frame.0[0], frame.0[89], frame.0[90]), (1160, 1249, 1000));
        playout.start(ONE);
        playout.push(ONE, piece(5, 320));
        playout.finish(ONE);
        let out = playout.next_frame().0;
        assert!(out[0] > 1000 && out[159] < 50, "fades under the prompt");
        let after = playout.next_frame();
        assert!(after.0[0] == 5 && after.0[159] > 1000, "and back in as it ends");
        playout.music(None);
        let last = playout.next_frame();
        assert!(last.0[0] > 1000 && last.0[80] == 0);
        assert!(playout.is_quiet());
        assert_eq!(playout.next_frame(), Frame::SILENCE);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut playout = Playout::new();
        playout.start(ONE);
        let second = piece(1, 8000);
        let taken = (0..500).filter(|_| playout.push(ONE, second.clone())).count();
        assert_eq!(taken, 180);
        for n in 0..100 {
            playout.start(SpeakId(n));
        }
        assert!(std::iter::from_fn(|| playout.poll()).count() <= EVENTS);
    }
}
