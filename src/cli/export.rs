//! `tingwa export asterisk|freeswitch|freepbx`: the lines that a PBX needs to send a hotline's numbers here, and what it does when
//! the gateway is down. The PBX's dialplan stays its own: nothing is written, a person pastes.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::dialplan::Plan;
use crate::settings::Problems;

use super::{CliError, ConfigArgs, check};

/// Print what a PBX needs to send calls here.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tingwa export asterisk\n  tingwa export freeswitch --gateway 192.0.2.10:5060\n  tingwa export freepbx dialplans/demo"
)]
pub struct ExportArgs {
    /// Which PBX
    pbx: Pbx,
    /// Where the PBX reaches this gateway; the first address of the configuration if left out
    #[arg(long, value_name = "HOST:PORT")]
    gateway: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Folders of one dialplan, or of several; those of the configuration if left out
    folders: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Pbx {
    Asterisk,
    Freeswitch,
    Freepbx,
}

/// Prints.
pub fn run(args: &ExportArgs) -> Result<ExitCode, CliError> {
    let configured = !args.config.is_default() || args.config.config.is_file();
    let config =
        (configured && (args.folders.is_empty() || args.gateway.is_none())).then(|| args.config.load()).transpose()?;
    let listening =
        config.as_ref().and_then(|config| config.sip.listen.first().map(|(_, address)| address.to_string()));
    let gateway = args.gateway.clone().or(listening).unwrap_or_else(|| "127.0.0.1:5060".to_owned());
    let folders = match config {
        Some(config) if args.folders.is_empty() => vec![config.dialplans],
        _ if args.folders.is_empty() => vec![PathBuf::from("dialplans")],
        _ => args.folders.clone(),
    };
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plans: Vec<Plan> = folders.iter().flat_map(|folder| check::load(folder, &problems, &warnings)).collect();
    eprint!("{}", problems.report());
    if plans.is_empty() {
        return Err(CliError::Usage("no hotline without problems to export".to_owned()));
    }
    print!("{}", text(args.pbx, &gateway, &plans));
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(pbx: Pbx, gateway: &str, plans: &[Plan]) -> String {
    match pbx {
        Pbx::Asterisk => format!("{}\n{}", endpoint(gateway), asterisk(plans, "from-trunk")),
        Pbx::Freepbx => format!(
            "; Connectivity > Trunks > Add PJSIP Trunk \"tingwa\": authentication none, registration none, SIP server {gateway},\n\
             ; codecs ulaw and alaw, DTMF rfc4733. Then in extensions_custom.conf, with an Inbound Route of each number to the\n\
             ; Custom Destination tingwa-hotlines,NUMBER,1:\n{}",
            asterisk(plans, "tingwa-hotlines")
        ),
        Pbx::Freeswitch => freeswitch(gateway, plans),
    }
}

/// The gateway as `pjsip.conf` knows it. Not needed where the gateway registers as an extension.
fn endpoint(gateway: &str) -> String {
    let host = gateway.rsplit_once(':').map_or(gateway, |(host, _)| host);
    format!(
        "; pjsip.conf (not needed where tingwa registers: register = true in its [[trunk]])\n\
         [tingwa]\ntype = endpoint\ncontext = from-internal\ndisallow = all\nallow = ulaw,alaw\naors = tingwa\n\
         dtmf_mode = rfc4733\ndirect_media = no\nsend_pai = yes\n\
         [tingwa]\ntype = aor\ncontact = sip:{gateway}\nqualify_frequency = 30\n\
         [tingwa]\ntype = identify\nendpoint = tingwa\nmatch = {host}\n"
    )
}

fn asterisk(plans: &[Plan], context: &str) -> String {
    let mut text = format!("; extensions.conf\n[{context}]\n");
    for plan in plans {
        let _ = writeln!(text, "; {} ({})", plan.title, plan.name);
        for pattern in &plan.numbers {
            let number = pattern.as_str();
            if number.starts_with("re:") {
                let _ = writeln!(text, "; {number}: a regular expression; write its numbers as patterns of Asterisk");
                continue;
            }
            let _ = writeln!(text, "exten => {number},1,Dial(PJSIP/${{EXTEN}}@tingwa,60)");
            let telephones: Vec<String> = fallback(plan).iter().map(|user| format!("PJSIP/{user}")).collect();
            let _ = writeln!(text, " same => n,GotoIf($[\"${{DIALSTATUS}}\" = \"ANSWER\"]?end)");
            let _ = writeln!(text, " same => n,Dial({},60)   ; tingwa is down", telephones.join("&"));
            let _ = writeln!(text, " same => n(end),Hangup()");
        }
    }
    text
}

/// Who is rung when the gateway is down: the queue of last resort.
fn fallback(plan: &Plan) -> Vec<&str> {
    plan.queues
        .get(&plan.escalation.queue)
        .map(|queue| queue.ring.iter().map(|t| t.user.as_str()).collect())
        .unwrap_or_default()
}

fn freeswitch(gateway: &str, plans: &[Plan]) -> String {
    let mut text = "<!-- dialplan/public/tingwa.xml -->\n<include>\n".to_owned();
    for plan in plans {
        let numbers: Vec<String> = plan.numbers.iter().map(|pattern| expression(pattern.as_str())).collect();
        let telephones: Vec<String> =
            fallback(plan).iter().map(|user| format!("user/{user}@${{domain_name}}")).collect();
        let _ = write!(
            text,
            "  <extension name=\"tingwa-{}\">\n    <condition field=\"destination_number\" expression=\"{}\">\n\
             \x20     <action application=\"set\" data=\"hangup_after_bridge=true\"/>\n\
             \x20     <action application=\"set\" data=\"continue_on_fail=true\"/>\n\
             \x20     <action application=\"bridge\" data=\"sofia/internal/${{destination_number}}@{gateway}\"/>\n\
             \x20     <action application=\"bridge\" data=\"{}\"/> <!-- tingwa is down -->\n\
             \x20   </condition>\n  </extension>\n",
            plan.name,
            xml(&numbers.join("|")),
            telephones.join(",")
        );
    }
    text + "</include>\n"
}

/// A number as a regular expression: `_2X[1-3].` is `^2\d[1-3].+$`.
fn expression(number: &str) -> String {
    if let Some(expression) = number.strip_prefix("re:") {
        return expression.to_owned();
    }
    let Some(pattern) = number.strip_prefix('_') else { return format!("^{}$", regex::escape(number)) };
    let (mut text, mut set) = ("^".to_owned(), false);
    for c in pattern.chars() {
        match c {
            '[' | ']' => {
                set = c == '[';
                text.push(c);
            }
            _ if set => text.push(c),
            'X' | 'x' => text.push_str("\\d"),
            'Z' | 'z' => text.push_str("[1-9]"),
            'N' | 'n' => text.push_str("[2-9]"),
            '.' => text.push_str(".+"),
            '!' => text.push_str(".*"),
            '-' => {}
            literal => text.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    text + "$"
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::demo;

    #[test]
    fn patterns_match_the_same_numbers_as_expressions() {
        let numbers = ["1823", "18235", "18", "189", "2999", "61", "92", "*18", "+85223456789", "911"];
        for pattern in
            ["1823", "_1823X", "_18.", "_18!", "_2XXX", "_[15-7]X", "_ZN", "*18", "_+852X.", "_9-1-1", "re:^18\\d+$"]
        {
            let (ours, theirs) = (pattern.parse::<crate::dialplan::pattern::Pattern>().unwrap(), expression(pattern));
            let theirs = regex::Regex::new(&theirs).unwrap();
            for number in numbers {
                assert_eq!(ours.matches(number), theirs.is_match(number), "{pattern} {theirs} {number}");
            }
        }
    }

    #[test]
    fn each_pbx_gets_its_lines() {
        let plans = [Plan { numbers: vec!["_18X".parse().unwrap(), "re:^19<".parse().unwrap()], ..demo::plan() }];
        let asterisk = text(Pbx::Asterisk, "192.0.2.10:5060", &plans);
        for line in [
            "contact = sip:192.0.2.10:5060",
            "match = 192.0.2.10",
            "exten => _18X,1,Dial(PJSIP/${EXTEN}@tingwa,60)",
            " same => n,Dial(PJSIP/6001&PJSIP/6002,60)   ; tingwa is down",
            "; re:^19<: a regular expression; write its numbers as patterns of Asterisk",
        ] {
            assert!(asterisk.lines().any(|l| l == line), "{line}\n{asterisk}");
        }
        let freeswitch = text(Pbx::Freeswitch, "192.0.2.10:5060", &plans);
        assert!(freeswitch.contains("expression=\"^18\\d$|^19&lt;\""), "{freeswitch}");
        assert!(freeswitch.contains("data=\"sofia/internal/${destination_number}@192.0.2.10:5060\""), "{freeswitch}");
        assert!(text(Pbx::Freepbx, "192.0.2.10:5060", &plans).contains("[tingwa-hotlines]\n"));
    }
}
