//! Debug information that servers have: fetched if the user wants it, for what stacks need; a server that is no help costs no more than
//! its limit, and is said.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::products::products;
use tm_tests::programs::{compile, copy_program, installed};
use tm_tests::run::{Outcome, Run};
use tm_tests::wait;

/// A recorded program that is gone; its debug information is in a file beside where it was.
struct Gone {
    folder: TempDir,
    outcome: Outcome,
    build_id: String,
    /// What `stats` said while it was there.
    before: String,
}

impl Gone {
    fn new() -> Gone {
        let folder = TempDir::new().expect("the temporary folder can be written");
        let program = folder.path().join("leaks");
        copy_program(&compile("leak.cc", &["-g", "-O1"]), &program);
        let outcome = Run::new(&program).recorded();
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let mut gone = Gone { folder, outcome, build_id: String::new(), before: String::new() };
        gone.before = text(&gone.tmtool("stats", &["--limit", "0"], &[]));
        gone.build_id = gone.module(&[], &[])["build_id"].as_str().expect("a text").to_owned();
        fs::create_dir(gone.at("served")).expect("the folder can be written");
        let objcopy =
            Command::new("objcopy").arg("--only-keep-debug").arg(&program).arg(gone.debug()).status();
        assert!(objcopy.expect("objcopy starts").success());
        fs::remove_file(&program).expect("it is there");
        gone
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn debug(&self) -> PathBuf {
        self.at("served/leaks.debug")
    }

    /// What tmtool says of the recording, with these variables and a cache of its own.
    fn tmtool(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(&products().tmtool);
        command.arg(name).arg(self.outcome.recording()).args(arguments);
        command.env("DEBUGINFOD_CACHE_PATH", self.at("cache")).env_remove("DEBUGINFOD_URLS");
        command.envs(variables.iter().copied()).output().expect("tmtool starts")
    }

    fn symbols(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let said = text(&self.tmtool("symbols", &[&["--json"], arguments].concat(), variables));
        serde_json::from_str(&said).expect("--json prints JSON")
    }

    /// What is said of the program.
    fn module(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let symbols = self.symbols(arguments, variables);
        let modules = symbols["module_list"].as_array().expect("a list");
        let is_it = |module: &&Value| module["path"].as_str().is_some_and(|path| path.ends_with("/leaks"));
        modules.iter().find(is_it).expect("the program is a module").clone()
    }

    /// What is said with `--debuginfod` and these servers: what was asked for of the program, and the problems.
    fn said_of(&self, urls: &str, variables: &[(&str, &str)]) -> (Vec<Value>, String) {
        let variables = [&[("DEBUGINFOD_URLS", urls)], variables].concat();
        let symbols = self.symbols(&["--debuginfod"], &variables);
        let modules = symbols["module_list"].as_array().expect("a list");
        let is_it = |module: &&Value| module["path"].as_str().is_some_and(|path| path.ends_with("/leaks"));
        let module = modules.iter().find(is_it).expect("the program is a module");
        assert_eq!(module["functions"], 0, "{module}");
        let attempts = module["attempt_list"].as_array().expect("a list").iter();
        let asked = attempts.filter(|attempt| attempt["source"] == "debuginfod").cloned().collect::<Vec<_>>();
        assert!(!asked.is_empty(), "{module}");
        (asked, symbols["problems"].to_string())
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a server says to each request.
#[derive(Clone)]
enum Answer {
    /// The file, if the path is this one; else that there is none.
    File(String, Vec<u8>),
    /// So many bytes more are announced than come.
    Torn(Vec<u8>),
    /// This status.
    Status(&'static str),
    /// A byte of many, and no more for ever.
    Begun,
    /// Nothing, for ever.
    Nothing,
}

/// A server that lives as long as the test.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: Answer) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                silent.extend(answer_to(stream, &answer, &log));
            }
        });
        Server { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

/// Answers a request; gives the connection back if it is to stay.
fn answer_to(mut stream: TcpStream, answer: &Answer, log: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty)?;
    log.lock().expect("nobody panics with it").push(path.clone());
    let ok =
        |length: usize| format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let status =
        |status: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let (head, body) = match answer {
        Answer::File(at, bytes) if *at == path => (ok(bytes.len()), &bytes[..]),
        Answer::File(..) => (status("404 Not Found"), &[][..]),
        Answer::Torn(bytes) => (ok(bytes.len() + 1000), &bytes[..]),
        Answer::Status(line) => (status(line), &[][..]),
        Answer::Begun => (ok(1 << 20), &b"\x7f"[..]),
        Answer::Nothing => return Some(stream),
    };
    // A client that has gone away is none of ours.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    matches!(answer, Answer::Begun).then_some(stream)
}

/// elfutils' server, which goes with this.
struct Oracle(Child);

impl Oracle {
    /// One that has the files of `folder`, and its address.
    fn start(folder: &Path) -> (Oracle, String) {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("there is a port").port().to_string();
        let mut command = Command::new(installed("debuginfod"));
        command.args(["-F", "-d", ":memory:", "-p", &port]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("debuginfod starts");
        (Oracle(child), format!("http://127.0.0.1:{port}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn names_come_from_elfutils_own_server_and_stay_in_its_cache() {
    let gone = Gone::new();
    let (oracle, url) = Oracle::start(&gone.at("served"));
    let known = TempDir::new().expect("the temporary folder can be written");
    wait::until("the server to have read its folder", || {
        let mut client = Command::new(installed("debuginfod-find"));
        client.args(["debuginfo", &gone.build_id]).env("DEBUGINFOD_URLS", &url);
        // What it has not is remembered for a while, so each question has a cache of its own.
        let cache = TempDir::new_in(known.path()).expect("as above");
        client.env("DEBUGINFOD_CACHE_PATH", cache.path()).output().is_ok_and(|output| output.status.success())
    });
    let servers = [("DEBUGINFOD_URLS", &*url)];
    let without = text(&gone.tmtool("stats", &["--limit", "0"], &servers));
    assert!(
        without != gone.before && !without.contains("debuginfod"),
        "nothing is asked for unasked: {without}"
    );
    let with = gone.tmtool("stats", &["--limit", "0", "--debuginfod"], &servers);
    assert_eq!((text(&with), String::from_utf8_lossy(&with.stderr)), (gone.before.clone(), "".into()));
    let place = gone.at("cache").join(&gone.build_id).join("debuginfo");
    assert_eq!(fs::read(&place).expect("it was fetched"), fs::read(gone.debug()).expect("it is there"));
    // From now on it is there for everybody, without a server or a question.
    drop(oracle);
    assert_eq!(text(&gone.tmtool("stats", &["--limit", "0"], &[])), gone.before);
}

#[test]
fn only_what_stacks_need_is_asked_for_and_what_is_nowhere_is_not_asked_for_again() {
    let gone = Gone::new();
    let path = format!("/buildid/{}/debuginfo", gone.build_id);
    let server = Server::start(Answer::File(path.clone(), fs::read(gone.debug()).expect("it is there")));
    let servers = [("DEBUGINFOD_URLS", &*server.url), ("TMTOOL_DEBUGINFOD", "yes")];
    let no = ["--limit", "0", "--debuginfod=no"];
    assert_ne!(text(&gone.tmtool("stats", &no, &servers)), gone.before);
    assert_eq!(server.asked(), [""; 0]);
    let symbols = gone.symbols(&[], &servers);
    let modules = symbols["module_list"].as_array().expect("a list");
    let used = |module: &&Value| {
        let attempts = module["attempt_list"].as_array().expect("a list");
        let used = attempts.iter().find(|attempt| attempt["outcome"] == "used");
        used.map(|attempt| attempt["source"].clone())
    };
    let is_it = |module: &&Value| module["build_id"] == *gone.build_id;
    assert_eq!(modules.iter().find(is_it).as_ref().and_then(used), Some("debuginfod".into()), "{symbols}");
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|asked| **asked == path).count(), 1, "{asked:?}");
    for module in modules {
        let build_id = module["build_id"].as_str().expect("a text");
        let is_asked = !build_id.is_empty() && asked.iter().any(|asked| asked.contains(build_id));
        assert!(!is_asked || module["addresses"].as_u64() > Some(0), "no stack needs {module}");
    }
    assert_eq!(text(&gone.tmtool("stats", &["--limit", "0"], &servers)), gone.before);
    assert_eq!(server.asked(), asked, "what is nowhere is remembered");
}

#[test]
fn what_a_server_does_wrong_is_said() {
    let gone = Gone::new();
    let debug = fs::read(gone.debug()).expect("it is there");
    let other = fs::read(compile("leak.cc", &["-g", "-O2"])).expect("it was compiled");
    let path = format!("/buildid/{}/debuginfo", gone.build_id);
    for (answer, outcome, detail) in [
        (Answer::Status("404 Not Found"), "missing", ""),
        (Answer::Status("500 Internal Server Error"), "failed", "The requested URL returned error: 500"),
        (Answer::Torn(debug[..debug.len() / 2].to_vec()), "failed", "bytes remaining to read"),
        (Answer::File(path, other), "other", "its build-id is "),
    ] {
        let _ = fs::remove_dir_all(gone.at("cache"));
        let server = Server::start(answer);
        let (asked, problems) = gone.said_of(&server.url, &[]);
        let first = &asked[0];
        assert_eq!(first["outcome"], outcome, "{first}");
        assert!(detail.is_empty() || first["detail"].to_string().contains(detail), "{first}");
        let is_said = problems.contains("was not fetched by --debuginfod") && problems.contains(detail);
        assert_eq!(is_said, outcome != "missing", "{problems}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let gone = Gone::new();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let dead = format!("http://{}", free.expect("there is a port"));
    let (asked, problems) = gone.said_of(&dead, &[]);
    assert_eq!(asked[0]["outcome"], "failed");
    assert!(
        asked[0]["detail"].to_string().contains("Failed to connect")
            && problems.contains("Failed to connect")
    );
    let (asked, problems) = gone.said_of("", &[]);
    let said = "DEBUGINFOD_URLS names no server";
    assert!(asked[0]["detail"].to_string().contains(said) && problems.contains(said), "{asked:?} {problems}");
    let empty = gone.at("empty");
    fs::create_dir(&empty).expect("the folder can be written");
    let (asked, _) = gone.said_of(&dead, &[("PATH", empty.to_str().expect("a text"))]);
    assert!(asked[0]["detail"].to_string().contains("debuginfod-find is not installed"), "{asked:?}");
    // Reports are made all the same, and say it.
    let servers = [("DEBUGINFOD_URLS", &*dead)];
    let said = text(&gone.tmtool("stats", &["--debuginfod"], &servers));
    assert!(said.contains("Note: the debug information of ") && said.contains("was not fetched"), "{said}");
}

#[test]
fn a_server_that_says_nothing_is_left_alone_after_its_limit() {
    let gone = Gone::new();
    // As many files at a time are asked for as there are threads.
    let n_threads = thread::available_parallelism().expect("it is known").get();
    for (answer, said, n_files) in [
        (Answer::Nothing, "no server answered within 3 s", n_threads),
        // A file may be a large one.
        (Answer::Begun, "it did not come within 3 s", n_threads + 2),
    ] {
        let server = Server::start(answer);
        let (asked, problems) = gone.said_of(&server.url, &[("DEBUGINFOD_MAXTIME", "1")]);
        assert_eq!(asked[0]["outcome"], "failed", "{asked:?}");
        assert!(problems.contains(said), "{problems}");
        let asked = server.asked();
        assert!(!asked.is_empty() && asked.len() <= n_files, "{asked:?}");
    }
}

#[test]
fn a_word_that_is_no_answer_is_refused() {
    let gone = Gone::new();
    let output = gone.tmtool("stats", &["--debuginfod=perhaps"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let output = gone.tmtool("stats", &[], &[("TMTOOL_DEBUGINFOD", "perhaps")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), &*said),
        (Some(2), "tmtool: TMTOOL_DEBUGINFOD: 'perhaps' is neither yes nor no\n")
    );
}
