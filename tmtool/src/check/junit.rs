//! JUnit XML, which every CI server reads: a test case for each limit.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::report::check::{Checked, Verdict};
use tm_analyzer::text::raw_text;

/// The file's content.
///
/// # Errors
/// It cannot be made.
pub fn text(verdict: &Verdict) -> std::io::Result<String> {
    let mut suite = TestSuite::new(shown(&format!("tmtool check {}", verdict.origin.recording)));
    suite.add_test_cases(verdict.limits.iter().map(case));
    let mut report = Report::new("tmtool check");
    report.add_test_suite(suite);
    report.to_string().map_err(std::io::Error::other)
}

fn case(checked: &Checked) -> TestCase {
    let status = if checked.exceeded {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("limit exceeded").set_message(shown(&checked.sentence()));
        let lines = checked.places.iter().map(|it| format!("{}  {}\n", checked.amount(it.amount), it.text()));
        status.set_description(shown(&lines.collect::<String>()));
        status
    } else {
        TestCaseStatus::success()
    };
    let mut case = TestCase::new(shown(checked.figure), status);
    case.set_classname(shown(&format!("tm.{}", checked.scope)));
    case
}

/// A name whose bytes were no UTF-8 as XML can have it.
fn shown(text: &str) -> String {
    String::from_utf8_lossy(&raw_text::to_bytes(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::Place;

    #[test]
    fn a_limit_is_a_test_case_and_names_stay_in_their_place() {
        let place = Place {
            filename: "<a>&\"'\u{1}.c".to_owned(),
            lineno: 3,
            function: Some("operator<<(a&)".to_owned()),
            amount: 2,
        };
        let over = Checked {
            scope: "total".to_owned(),
            figure: "leaked-blocks",
            found: 2,
            exceeded: true,
            places: vec![place],
            ..Checked::default()
        };
        let within = Checked { scope: "<part>".to_owned(), figure: "peak", ..Checked::default() };
        let xml = text(&Verdict { limits: vec![within, over], ..Verdict::default() }).unwrap();
        assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"1\""), "{xml}");
        assert!(xml.contains("classname=\"tm.&lt;part&gt;\""), "{xml}");
        assert!(xml.contains("message=\"total leaked-blocks: 2 where 0 is allowed\""), "{xml}");
        assert!(xml.contains("&lt;a&gt;&amp;") && !xml.contains('\u{1}'), "{xml}");
    }
}
