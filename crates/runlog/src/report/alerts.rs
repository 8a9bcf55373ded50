//! What the monitor found suspicious, with the programs.

use std::fmt::Write as _;

use super::escape::html;
use crate::Alert;

/// The section; empty if there is nothing.
pub(super) fn section(alerts: &[Alert]) -> String {
    if alerts.is_empty() {
        return String::new();
    }
    let mut list = String::new();
    for alert in alerts {
        let mut programs = String::new();
        for one in &alert.programs {
            let proof =
                if one.proof.is_empty() { String::new() } else { format!("<p>{}</p>", html(&one.proof)) };
            let _ = write!(
                programs,
                "<p class=\"soft\">{}, sample {}, reward {:.2}</p>{proof}<pre>{}</pre>",
                html(&one.task),
                one.sample,
                one.reward,
                html(one.program.trim_end())
            );
        }
        let _ = writeln!(
            list,
            "<details class=\"note\"><summary>Step {}: {}</summary><p>{}</p>{programs}</details>",
            alert.step,
            alert.kind.title(),
            html(&alert.message)
        );
    }
    let count = alerts.len();
    let things = if count == 1 { "thing" } else { "things" };
    format!(
        "<h2 id=\"alerts\">Look at this: {count} suspicious {things}</h2>\n<p class=\"soft\">Signs that the reward may be earned in \
         another way than it was meant. Each is a reason to look at its programs, not a proof.</p>\n{list}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlertKind, SuspectProgram};

    #[test]
    fn programs_are_shown_as_text() {
        assert_eq!(section(&[]), "");
        let program = SuspectProgram { program: "print('<b>')".into(), ..SuspectProgram::default() };
        let alert = Alert {
            step: 7,
            kind: AlertKind::RewardJump,
            message: "a < b".into(),
            statistic: 9.0,
            threshold: 6.0,
            programs: vec![program],
        };
        let page = section(&[alert]);
        assert!(
            page.contains("Step 7: the reward jumped") && page.contains("print(&#39;&lt;b&gt;&#39;)"),
            "{page}"
        );
        assert!(page.contains("a &lt; b") && !page.contains("<b>"), "{page}");
    }
}
