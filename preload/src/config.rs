//! The settings of [`tm_common::settings`], read once: from the environment that the program was started with or, by a library that
//! `dlopen` has loaded, from that of the moment.

use core::ffi::CStr;

use tm_common::sampling::SampleRate;
use tm_common::settings::{self, Setting};

use crate::sys::complaints::Complaints;
use crate::sys::message::Message;
use crate::sys::text::parse_number;

/// What the user asked for.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// `TM_OUT`, a template.
    pub out: &'static CStr,
    /// `TM_NFRAME`.
    pub n_frames_max: u32,
    /// `TM_UNWIND=fp`.
    pub frame_pointers_only: bool,
    /// `TM_PYTHON_FRAMES=1`.
    pub python_frames: bool,
    /// `TM_PYTHON_OBJECTS=1`.
    pub python_objects: bool,
    /// `TM_START=1`.
    pub start: bool,
    /// `TM_DISABLE=1`.
    pub disabled: bool,
    /// `TM_FOLLOW=1`.
    pub follow: bool,
    /// `TM_SELF_CHECK`, 0 for never.
    pub self_check_interval: u32,
    /// `TM_SAMPLE`.
    pub sample_rate: SampleRate,
    /// `TM_LIMIT`, 0 for none.
    pub limit_bytes: u64,
    /// `TM_SAMPLE_SEED`, if it is given.
    pub sample_seed: Option<u64>,
    /// `TM_RUN`.
    pub run: u64,
}

impl Config {
    /// What holds where nothing is set.
    pub const DEFAULT: Config = Config {
        out: DEFAULT_OUT,
        n_frames_max: settings::N_FRAMES_MAX,
        frame_pointers_only: false,
        python_frames: true,
        python_objects: false,
        start: true,
        disabled: false,
        follow: true,
        self_check_interval: 0,
        sample_rate: SampleRate::EVERY,
        limit_bytes: 0,
        sample_seed: None,
        run: 0,
    };

    /// Reads an environment. Whatever is wrong is said in one line and left at its default.
    pub fn read(environment: impl Iterator<Item = &'static CStr>, complaints: &mut Complaints) -> Config {
        let mut config = Config::DEFAULT;
        for entry in environment {
            let Some(name_len) = entry.to_bytes().iter().position(|&byte| byte == b'=') else { continue };
            let (name, _) = entry.to_bytes().split_at(name_len);
            let value = entry
                .to_bytes_with_nul()
                .get(name_len + 1..)
                .and_then(|v| CStr::from_bytes_until_nul(v).ok());
            let Some(value) = value.filter(|_| name.starts_with(b"TM_")) else { continue };
            match settings::ALL.iter().find(|setting| setting.name.as_bytes() == name) {
                Some(setting) if config.set(setting, value) => {}
                Some(setting) => complaints.say(bad_value(setting, value)),
                None => {
                    complaints.say(Message::start("unknown setting ").bytes(name).text(" is ignored"));
                }
            }
        }
        config
    }

    /// Takes one setting; false if the value is not one that it takes.
    fn set(&mut self, setting: &Setting, value: &'static CStr) -> bool {
        let text = value.to_bytes();
        let number = parse_number(text);
        match setting.name {
            name if name == settings::OUT.name => {
                if text.is_empty() {
                    return false;
                }
                self.out = value;
            }
            name if name == settings::NFRAME.name => match number {
                Some(n @ 1..) if n <= u64::from(settings::N_FRAMES_MAX) => self.n_frames_max = n as u32,
                _ => return false,
            },
            name if name == settings::UNWIND.name => match text {
                b"auto" => self.frame_pointers_only = false,
                b"fp" => self.frame_pointers_only = true,
                _ => return false,
            },
            name if name == settings::PYTHON_FRAMES.name => return read_flag(text, &mut self.python_frames),
            name if name == settings::PYTHON_OBJECTS.name => {
                return read_flag(text, &mut self.python_objects);
            }
            name if name == settings::START.name => return read_flag(text, &mut self.start),
            name if name == settings::DISABLE.name => return read_flag(text, &mut self.disabled),
            name if name == settings::FOLLOW.name => return read_flag(text, &mut self.follow),
            name if name == settings::SELF_CHECK.name => match number {
                Some(n) if n <= u64::from(u32::MAX) => self.self_check_interval = n as u32,
                _ => return false,
            },
            name if name == settings::SAMPLE.name => match SampleRate::parse(text) {
                Some(rate) => self.sample_rate = rate,
                None => return false,
            },
            name if name == settings::LIMIT.name => match settings::parse_limit(text) {
                Some(bytes) => self.limit_bytes = bytes,
                None => return false,
            },
            name if name == settings::SAMPLE_SEED.name => match number {
                Some(seed) => self.sample_seed = Some(seed).filter(|&seed| seed != 0),
                None => return false,
            },
            name if name == settings::RUN.name => match number {
                Some(n) => self.run = n,
                None => return false,
            },
            _ => return false,
        }
        true
    }
}

const DEFAULT_OUT: &CStr = c"tm.%e.%p.bin";
const _: () = {
    let (ours, table) = (DEFAULT_OUT.to_bytes(), settings::OUT.default.as_bytes());
    assert!(ours.len() == table.len());
    let mut place = 0;
    while place < ours.len() {
        assert!(ours[place] == table[place], "the default is the table's, as a C string");
        place += 1;
    }
};

fn read_flag(text: &[u8], flag: &mut bool) -> bool {
    match text {
        b"0" => *flag = false,
        b"1" => *flag = true,
        _ => return false,
    }
    true
}

fn bad_value(setting: &Setting, value: &CStr) -> Message {
    let message = Message::start(setting.name).text("=").bytes(value.to_bytes());
    message.text(" is not valid (").text(setting.values).text("); using ").text(setting.default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_table_takes_its_default_and_refuses_nonsense() {
        for setting in settings::ALL {
            let value = std::ffi::CString::new(setting.default).expect("no NUL").into_boxed_c_str();
            assert!({ Config::DEFAULT }.set(setting, std::boxed::Box::leak(value)), "{}", setting.name);
            assert!(!{ Config::DEFAULT }.set(setting, c""), "{}", setting.name);
        }
        assert!(!{ Config::DEFAULT }.set(&settings::NFRAME, c"0"));
        assert!(!{ Config::DEFAULT }.set(&settings::NFRAME, c"16385"));
        assert!(!{ Config::DEFAULT }.set(&settings::UNWIND, c"dwarf"));
        assert!(!{ Config::DEFAULT }.set(&settings::LIMIT, c"1023K"));
    }
}
