//! Transfers against a real server on this machine that does what a script says: gives ranges, breaks off, lies, redirects.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::engine::manifest::Role;

/// How the server answers one request.
#[derive(Clone, Debug)]
enum Answer {
    /// As HTTP says, with ranges.
    Right,
    /// The whole file, whatever was asked for.
    Whole,
    /// As [`Answer::Right`], and the connection ends after so many bytes of the body.
    Cut(usize),
    /// The whole of another file.
    Another(Vec<u8>),
    /// The wrong part of the file.
    WrongPart,
    /// A status with an empty body.
    Status(u16),
    /// Look elsewhere.
    Redirect(String),
    /// Bytes without a length until the connection ends.
    Endless(usize),
}

/// Path and range of every request.
type Asked = Mutex<Vec<(String, Option<u64>)>>;

struct Server {
    address: String,
    asked: Arc<Asked>,
}

impl Server {
    /// Answers as many requests as there are answers, then refuses.
    fn start(body: &[u8], answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (body, log) = (body.to_vec(), asked.clone());
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &body, &answer, &log);
            }
        });
        Self { address, asked }
    }

    fn place(&self) -> Place {
        Place::of(&self.address).within("a.onnx")
    }

    fn ranges(&self) -> Vec<Option<u64>> {
        self.asked.lock().unwrap().iter().map(|(_, range)| *range).collect()
    }
}

fn serve(mut stream: TcpStream, body: &[u8], answer: &Answer, log: &Asked) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let lower = line.to_ascii_lowercase();
        if let Some(from) = lower.strip_prefix("range: bytes=").and_then(|rest| rest.strip_suffix('-')) {
            range = Some(from.parse::<u64>().unwrap());
        }
    }
    let path = request.split(' ').nth(1).unwrap().to_owned();
    log.lock().unwrap().push((path, range));
    let from = usize::try_from(range.unwrap_or(0)).unwrap();
    let part = |first: usize| {
        let head = format!("206 Partial Content\r\nContent-Range: bytes {first}-{}/{}", body.len() - 1, body.len());
        (head, body[first..].to_vec())
    };
    let right = || match range {
        Some(_) if from >= body.len() => ("416 Range Not Satisfiable".to_owned(), Vec::new()),
        Some(_) => part(from),
        None => ("200 OK".to_owned(), body.to_vec()),
    };
    let (head, content) = match answer {
        Answer::Right | Answer::Cut(_) => right(),
        Answer::Whole => ("200 OK".to_owned(), body.to_vec()),
        Answer::Another(other) => ("200 OK".to_owned(), other.clone()),
        Answer::WrongPart => part(from / 2),
        Answer::Status(status) => (format!("{status} X"), Vec::new()),
        Answer::Redirect(to) => (format!("302 Found\r\nLocation: {to}"), Vec::new()),
        Answer::Endless(bytes) => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            // The client leaves when it has enough.
            let _ = stream.write_all(&vec![0; *bytes]);
            return;
        }
    };
    let sent = if let Answer::Cut(bytes) = answer { &content[..*bytes] } else { &content[..] };
    let length = content.len();
    let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(sent);
}

/// Counts pauses, waits for none.
#[derive(Default)]
struct Told {
    begun: Vec<(u64, Option<u64>)>,
    pauses: Vec<(String, Duration)>,
}

impl Watch for Told {
    fn begun(&mut self, there: u64, total: Option<u64>) {
        self.begun.push((there, total));
    }
    fn at(&mut self, _: u64) {}
    fn checking(&mut self) {}
    fn pause(&mut self, why: &FetchError, wait: Duration) {
        self.pauses.push((why.to_string(), wait));
    }
}

struct Scene {
    folder: PathBuf,
    body: Vec<u8>,
    file: ModelFile,
    told: Told,
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tingwa-fetch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let body: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = folder.join("whole");
        std::fs::write(&whole, &body).unwrap();
        let found = fingerprint(&whole).unwrap();
        let path = folder.join("in/a.onnx");
        let (sha256, bytes) = (Some(found.sha256), Some(found.bytes));
        let file = ModelFile { role: Role::Model, name: "a.onnx".to_owned(), path, sha256, bytes };
        Self { folder, body, file, told: Told::default() }
    }

    fn fetch(&mut self, place: &Place) -> Result<Fetched, FetchError> {
        let policy = Policy { attempts: 3, ..Policy::default() };
        fetch(&self.file, place, &policy, &mut self.told)
    }

    fn there(&self) -> Option<Vec<u8>> {
        std::fs::read(&self.file.path).ok()
    }

    fn part(&self) -> Option<u64> {
        part_bytes(&self.file.path)
    }

    fn leave(&self, part: &[u8]) {
        std::fs::create_dir_all(self.file.path.parent().unwrap()).unwrap();
        std::fs::write(Part::path_of(&self.file.path), part).unwrap();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_whole_file_comes_into_place_and_is_not_fetched_twice() {
    let mut scene = Scene::new("whole");
    let server = Server::start(&scene.body, vec![Answer::Right]);
    assert!(matches!(scene.fetch(&server.place()).unwrap(), Fetched::New(found) if found.bytes == 200_000));
    assert_eq!((scene.there().unwrap() == scene.body, scene.part()), (true, None));
    assert_eq!(scene.fetch(&server.place()).unwrap(), Fetched::AlreadyThere);
    assert_eq!(server.asked.lock().unwrap().as_slice(), [("/a.onnx".to_owned(), None)]);
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped_and_asks_for_no_byte_twice() {
    let mut scene = Scene::new("cut");
    let server = Server::start(&scene.body, vec![Answer::Cut(70_000), Answer::Cut(50_000), Answer::Right]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges(), [None, Some(70_000), Some(120_000)]);
    assert!(scene.there().unwrap() == scene.body);
    assert_eq!(scene.told.begun, [(0, Some(200_000)), (70_000, Some(200_000)), (120_000, Some(200_000))]);
    let waits: Vec<_> = scene.told.pauses.iter().map(|(_, wait)| wait.as_secs()).collect();
    assert_eq!(waits, [1, 2], "the waits double");
}

#[test]
fn what_an_interrupted_program_left_is_gone_on_with() {
    let mut scene = Scene::new("left");
    scene.leave(&scene.body[..150_000]);
    let server = Server::start(&scene.body, vec![Answer::Right]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges(), [Some(150_000)]);
    assert!(scene.there().unwrap() == scene.body);
    // All there but for the name: nothing is asked for.
    std::fs::remove_file(&scene.file.path).unwrap();
    scene.leave(&scene.body.clone());
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges().len(), 1);
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let mut scene = Scene::new("norange");
    let server = Server::start(&scene.body, vec![Answer::Cut(70_000), Answer::Whole]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges(), [None, Some(70_000)]);
    assert!(scene.there().unwrap() == scene.body);
}

#[test]
fn wrong_bytes_are_thrown_away_and_the_old_file_stays() {
    let mut scene = Scene::new("wrong");
    std::fs::create_dir_all(scene.file.path.parent().unwrap()).unwrap();
    std::fs::write(&scene.file.path, b"the old model").unwrap();
    let mut other = scene.body.clone();
    other[123_456] ^= 1;
    let server = Server::start(&scene.body, vec![Answer::Another(other)]);
    let error = scene.fetch(&server.place()).unwrap_err();
    assert!(matches!(&error, FetchError::Other { difference, .. } if difference.starts_with("sha256 ")), "{error}");
    assert_eq!((scene.there().unwrap().as_slice(), scene.part()), (&b"the old model"[..], None));
}

#[test]
fn a_file_of_another_size_is_refused_before_its_bytes_come() {
    let mut scene = Scene::new("size");
    let server = Server::start(&scene.body, vec![Answer::Another(vec![0; 3])]);
    let error = scene.fetch(&server.place()).unwrap_err();
    assert!(error.to_string().contains("3 bytes, expected 200000"), "{error}");
    assert_eq!((scene.told.begun.len(), scene.part()), (0, None));
}

#[test]
fn the_half_of_another_file_is_noticed_and_the_whole_fetched_anew() {
    let mut scene = Scene::new("half");
    scene.leave(&vec![7; 100_000]);
    let server = Server::start(&scene.body, vec![Answer::Right, Answer::Right]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges(), [Some(100_000), None]);
    assert!(scene.there().unwrap() == scene.body);
}

#[test]
fn the_wrong_part_of_a_file_is_not_appended() {
    let mut scene = Scene::new("wrongpart");
    scene.leave(&scene.body[..100_000]);
    let server = Server::start(&scene.body, vec![Answer::WrongPart, Answer::Right]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges(), [Some(100_000), None]);
    assert!(scene.there().unwrap() == scene.body);
}

#[test]
fn a_missing_file_and_a_forbidden_one_are_not_tried_again() {
    let mut scene = Scene::new("missing");
    for (status, words) in [(404, "name another place with `--from"), (403, "not given to us"), (401, "browser")] {
        let server = Server::start(&scene.body, vec![Answer::Status(status)]);
        let error = scene.fetch(&server.place()).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&format!("HTTP {status}")), "{error}");
        assert_eq!((server.ranges().len(), scene.told.pauses.len(), scene.part()), (1, 0, None));
    }
}

#[test]
fn a_busy_server_is_tried_again_and_given_up_in_the_end() {
    let mut scene = Scene::new("busy");
    let server = Server::start(&scene.body, vec![Answer::Status(503), Answer::Status(429), Answer::Right]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(scene.told.pauses.len(), 2);
    std::fs::remove_file(&scene.file.path).unwrap();
    let server = Server::start(&scene.body, vec![Answer::Status(503), Answer::Status(503), Answer::Status(503)]);
    let error = scene.fetch(&server.place()).unwrap_err();
    assert!(matches!(error, FetchError::GivenUp { attempts: 3, .. }), "{error}");
    assert_eq!(server.ranges().len(), 3);
}

#[test]
fn redirects_are_followed_with_the_range_and_not_for_ever() {
    let mut scene = Scene::new("redirect");
    scene.leave(&scene.body[..60_000]);
    let far = Server::start(&scene.body, vec![Answer::Right]);
    let near = Server::start(&scene.body, vec![Answer::Redirect(format!("{}/b?x=1", far.address))]);
    scene.fetch(&near.place()).unwrap();
    assert_eq!(far.asked.lock().unwrap().as_slice(), [("/b?x=1".to_owned(), Some(60_000))]);
    assert!(scene.there().unwrap() == scene.body);
    std::fs::remove_file(&scene.file.path).unwrap();
    let round = Server::start(&scene.body, vec![Answer::Redirect("/a.onnx".to_owned()); 20]);
    let error = scene.fetch(&round.place()).unwrap_err();
    assert!(matches!(error, FetchError::Denied { .. }), "{error}");
}

#[test]
fn a_folder_gives_files_too_and_goes_on_like_a_server() {
    let mut scene = Scene::new("folder");
    scene.leave(&scene.body[..50_000]);
    std::fs::write(scene.folder.join("a.onnx"), &scene.body).unwrap();
    let place = Place::of(&format!("file://{}", scene.folder.display())).within("a.onnx");
    scene.fetch(&place).unwrap();
    assert_eq!(scene.told.begun, [(50_000, Some(200_000))]);
    assert!(scene.there().unwrap() == scene.body);
    std::fs::remove_file(&scene.file.path).unwrap();
    let nowhere = Place::Folder(scene.folder.join("nowhere"));
    assert!(matches!(scene.fetch(&nowhere), Err(FetchError::NotThere { .. })));
}

#[test]
fn a_file_without_a_checksum_is_never_patched_together_and_never_endless() {
    let mut scene = Scene::new("unpinned");
    (scene.file.sha256, scene.file.bytes) = (None, None);
    scene.leave(&[7; 100]);
    let server = Server::start(&scene.body, vec![Answer::Right]);
    scene.fetch(&server.place()).unwrap();
    assert_eq!(server.ranges(), [None]);
    assert!(scene.there().unwrap() == scene.body);
    let server = Server::start(&scene.body, vec![Answer::Endless(1_000_000)]);
    let policy = Policy { most_bytes: 300_000, ..Policy::default() };
    let error = fetch(&scene.file, &server.place(), &policy, &mut scene.told).unwrap_err();
    assert!(error.to_string().contains("more than 300000 bytes"), "{error}");
    assert!(scene.there().unwrap() == scene.body, "the old file stays");
    assert_eq!(scene.part(), None);
}

#[test]
fn two_do_not_write_one_file() {
    let mut scene = Scene::new("lock");
    std::fs::create_dir_all(scene.file.path.parent().unwrap()).unwrap();
    let held = Part::open(&scene.file.path).unwrap();
    let server = Server::start(&scene.body, vec![]);
    assert!(matches!(scene.fetch(&server.place()), Err(FetchError::Busy(_))));
    drop(held);
}

#[test]
fn a_place_is_a_folder_unless_it_says_http() {
    assert_eq!(Place::of("https://a/b/").within("c/d"), Place::Address("https://a/b/c/d".to_owned()));
    assert_eq!(Place::of("http://a").within("型 1"), Place::Address("http://a/%E5%9E%8B%201".to_owned()));
    assert_eq!(Place::of("/media/usb").within("c"), Place::Folder(PathBuf::from("/media/usb/c")));
}

#[test]
fn a_server_that_speaks_no_tls_is_an_error_and_no_end_of_the_program() {
    let mut scene = Scene::new("tls");
    let server = Server::start(&scene.body, vec![]);
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Answers the greeting with what is no TLS.
            let _ = (&stream).write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for port in [port, plain] {
        let place = Place::of(&format!("https://127.0.0.1:{port}/a.onnx"));
        let error = scene.fetch(&place).unwrap_err();
        assert!(matches!(error, FetchError::GivenUp { .. } | FetchError::Denied { .. }), "{error}");
    }
}
