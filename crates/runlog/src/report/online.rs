//! From offline to online: the score at the switch, the dip, and the end, beside the held-out score at the switch.

use serde_json::Value;

use super::page::percent;
use crate::Switch;

/// The section; empty for a run without a switch. `heldout` is pass@1 at the switch, where it was measured.
pub(super) fn section(switch: Option<&Switch>, heldout: Option<&Value>) -> String {
    let Some(switch) = switch else { return String::new() };
    let number = |value: f64| format!("{value:.2}");
    let dip = match switch.recovered_after {
        _ if switch.dip == 0.0 => "none".to_string(),
        Some(after) => {
            format!("{:+.2} after {} steps, made up for after {after}", switch.dip, switch.dip_after)
        }
        None => format!("{:+.2} after {} steps, not made up for", switch.dip, switch.dip_after),
    };
    let measured = heldout.and_then(|value| value.pointer("/all/pass_at/1/value")).and_then(Value::as_f64);
    let measured = measured.map_or(String::new(), |value| {
        format!("<dt>Held-out pass@1 at the switch</dt><dd>{}</dd>", percent(value))
    });
    format!(
        "<h2>From offline to online</h2>\n<p class=\"soft\">Mean reward of what was sampled, over {} steps each time.</p>\n\
         <dl class=\"machine card\"><dt>Offline steps</dt><dd>{}</dd><dt>Online steps</dt><dd>{}</dd>{measured}\
         <dt>Reward at the switch</dt><dd>{}</dd><dt>Dip</dt><dd>{dip}</dd><dt>Reward in the end</dt><dd>{}</dd></dl>\n",
        switch.width,
        switch.offline_steps,
        switch.online_steps,
        number(switch.at_switch),
        number(switch.end)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_scores_are_shown() {
        let switch = Switch {
            offline_steps: 10,
            online_steps: 20,
            width: 5,
            at_switch: 0.4,
            dip: -0.125,
            dip_after: 3,
            recovered_after: Some(6),
            end: 0.75,
        };
        let measured = serde_json::json!({ "all": { "pass_at": { "1": { "value": 0.333 } } } });
        let page = section(Some(&switch), Some(&measured));
        for text in ["33.3%", "0.40", "-0.12 after 3 steps, made up for after 6", "0.75"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert_eq!(section(None, None), "");
    }
}
