//! The search on rows made by hand, and the whole recogniser on speech.

use super::beam::{Beam, BeamConfig};
use super::*;
use crate::audio::frame::Frame;
use crate::audio::resample::Upsampler8To16;
use crate::engine::{score, test_speech};

const TOKENS: &str = "<blk> 0\ny:z 1\ny:oeng1 2\ny:oeng3 3\ny:d 4\ny:aan1 5\ne:B 6\ne:IH 7\ne:L 8\ny:ng 9\ny:o5 10\n";
const LEXICON: &str = "張\tyue\ty:z y:oeng1\t20\n將\tyue\ty:z y:oeng1\t30\n帳\tyue\ty:z y:oeng3\t30\n單\tyue\ty:d y:aan1\t40\n\
                       我\tyue\ty:ng y:o5\t90\nbill\teng\te:B e:IH e:L\t9\n";

struct Desk {
    lexicon: Lexicon,
    background: Arc<Background>,
}

impl Desk {
    fn new(phrases: &str) -> Self {
        let lexicon = Lexicon::parse(TOKENS, LEXICON).unwrap();
        let background = Arc::new(Background::parse(phrases, &lexicon).unwrap());
        Self { lexicon, background }
    }

    /// What is found in rows whose units have these probabilities; the blank has the rest.
    fn hear(&self, rows: &[&[(Unit, f32)]], bias: &Bias) -> String {
        let model = LanguageModel::leaning(self.background.clone(), bias, &self.lexicon);
        let mut beam = Beam::new(BeamConfig::default());
        for units in rows {
            let mut row = vec![1e-6_f32; 11];
            row[0] = 1.0 - units.iter().map(|(_, p)| p).sum::<f32>() - 1e-5;
            units.iter().for_each(|(unit, p)| row[usize::from(*unit)] = *p);
            row.iter_mut().for_each(|p| *p = p.max(1e-6).ln());
            beam.step(&row, &self.lexicon, &model);
        }
        write(&beam.finish(&self.lexicon, &model).words, &self.lexicon)
    }
}

use super::lexicon::Unit;

#[test]
fn homophones_go_by_what_is_said_and_by_the_hotline() {
    let desk = Desk::new("2\tyue\t將單\n1\tyue\t我單\n");
    let said: &[&[(Unit, f32)]] = &[&[(1, 0.9)], &[(2, 0.9)], &[], &[(4, 0.9)], &[(5, 0.9)]];
    assert_eq!(desk.hear(said, &Bias::default()), "將單");
    let phrases = vec![(Language::Cantonese, "張單".to_owned()); 4];
    assert_eq!(desk.hear(said, &Bias { line: "demo".to_owned(), version: 1, phrases, hot_words: Vec::new() }), "張單");
    let hot_words = vec![("張單".to_owned(), 1.0)];
    assert_eq!(desk.hear(said, &Bias { hot_words, ..Bias::default() }), "張單");
}

#[test]
fn a_tone_that_was_misheard_is_put_right_where_the_sound_allows() {
    let desk = Desk::new("9\tyue\t我張單\n1\tyue\t帳\n");
    let said = |tone_1: f32, tone_3: f32| -> String {
        let tones = [(2, tone_1), (3, tone_3)];
        desk.hear(&[&[(9, 0.9)], &[(10, 0.9)], &[(1, 0.9)], &tones, &[(4, 0.9)], &[(5, 0.9)]], &Bias::default())
    };
    assert_eq!(said(0.3, 0.6), "我張單");
    assert_eq!(said(0.00001, 0.95), "我帳單", "the sound is weighed too");
}

#[test]
fn ctc_repeats_need_a_blank_between() {
    let desk = Desk::new("1\tyue\t單單\n");
    let plain = Bias::default();
    assert_eq!(desk.hear(&[&[(4, 0.9)], &[(4, 0.9)], &[(5, 0.9)], &[(5, 0.9)]], &plain), "單");
    let twice: &[&[(Unit, f32)]] = &[&[(4, 0.9)], &[(5, 0.9)], &[], &[(4, 0.9)], &[(5, 0.9)]];
    assert_eq!(desk.hear(twice, &plain), "單單");
}

#[test]
fn languages_mix_and_what_no_word_fits_is_spelled() {
    let desk = Desk::new("1\tyue\t張單\n");
    let (plain, sure) = (Bias::default(), 0.95);
    let mixed: &[&[(Unit, f32)]] = &[&[(1, sure)], &[(2, sure)], &[(6, sure)], &[(7, sure)], &[(8, sure)]];
    assert!(desk.hear(mixed, &plain).ends_with("bill"));
    let unknown: &[&[(Unit, f32)]] = &[&[(8, 0.99)], &[(7, 0.99)], &[(6, 0.99)]];
    assert_eq!(desk.hear(unknown, &plain), "lib");
}

#[test]
fn nothing_is_nothing_and_the_same_is_the_same() {
    let desk = Desk::new("1\tyue\t張單\n");
    assert_eq!(desk.hear(&[], &Bias::default()), "");
    assert_eq!(desk.hear(&[&[], &[], &[]], &Bias::default()), "");
    let blurred: &[&[(Unit, f32)]] = &[&[(1, 0.2), (4, 0.2), (9, 0.2)], &[(2, 0.3), (5, 0.3), (10, 0.3)], &[(8, 0.1)]];
    let first = desk.hear(blurred, &Bias::default());
    assert!((0..5).all(|_| desk.hear(blurred, &Bias::default()) == first));
}

fn load() -> CtcRecogniser {
    CtcRecogniser::load(&test_speech::model("tiny-trilingual")).unwrap()
}

fn wide(text: &str, language: Language) -> Vec<WideFrame> {
    let mut samples = vec![0; 2400];
    samples.extend(test_speech::say(text, language));
    let mut up = Upsampler8To16::default();
    Frame::split(&samples).map(|frame| up.process(&frame)).collect()
}

#[test]
fn hears_hotline_sentences_and_guesses_while_they_are_said() {
    let recogniser = load();
    let rows = [
        ("我想查詢我張單", Language::Cantonese),
        ("我想查询我的账单", Language::Mandarin),
        ("i want to check my bill", Language::English),
    ];
    for (text, language) in rows {
        let mut stream = recogniser.open(&Arc::default()).unwrap();
        let mut guesses = 0;
        for frame in wide(text, language) {
            stream.accept(&frame);
            let before = stream.hypothesis().to_owned();
            recogniser.decode(&mut [&mut stream]);
            guesses += usize::from(before != stream.hypothesis());
        }
        let heard = stream.finish().unwrap();
        let errors = score::compare(text, &heard.text);
        assert!(errors.rate() < 0.3, "{text}: {}", heard.text);
        assert!(guesses >= 2, "{guesses} guesses");
        assert_eq!(heard.language, Some(language), "{}", heard.text);
        assert!((0.0..=1.0).contains(&heard.confidence));
        assert_eq!(stream.finish().unwrap().text, "", "the next utterance begins empty");
    }
}

#[test]
fn many_callers_in_one_batch_hear_what_each_hears_alone() {
    let recogniser = load();
    let texts = ["i want to check my bill", "i want to speak to an agent", "cancel my plan"];
    let calls: Vec<_> = texts.iter().map(|text| wide(text, Language::English)).collect();
    let open = || recogniser.open(&Arc::default()).unwrap();
    let alone = |frames: &Vec<WideFrame>| {
        let mut stream = open();
        frames.iter().for_each(|frame| stream.accept(frame));
        stream.finish().unwrap().text
    };
    let alone: Vec<String> = calls.iter().map(alone).collect();
    let mut streams: Vec<_> = calls.iter().map(|_| open()).collect();
    for at in 0..calls.iter().map(Vec::len).max().unwrap() {
        for (stream, frames) in streams.iter_mut().zip(&calls) {
            frames.get(at).into_iter().for_each(|frame| stream.accept(frame));
        }
        let mut batch: Vec<_> = streams.iter_mut().collect();
        recogniser.decode(&mut batch);
    }
    let together: Vec<String> = streams.iter_mut().map(|stream| stream.finish().unwrap().text).collect();
    assert_eq!(together, alone);
}
