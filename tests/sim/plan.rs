//! A small hotline for the simulated world, in two languages.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tingwa::conversation::Understanding;
use tingwa::dialplan::{Plan, PlanFiles, read_plan};
use tingwa::settings::Problems;

const PLAN: &str = r#"
title = "simulation"
numbers = ["1823"]
languages = ["eng", "yue"]
[dialogue]
greeting = "greeting"
language_changed = "language_changed"
keys_only = "keys_only"
no_input = { after = "4s", say = ["no_input_1", "no_input_2"], then = "end:goodbye" }
no_match = { say = ["no_match"], then = "go:general" }
menu = { 1 = "lang:yue", 2 = "lang:eng", 3 = "run:order", 4 = "script:terms" }
[escalation]
queue = "general"
transferring = "transferring"
closed = "closed"
gave_up = "gave_up"
unresolved = 2
[escalation.notify]
transfer = ["legal"]
[queue.general]
ring = ["sip:6001@pbx", "sip:6002@pbx"]
ring_timeout = "5s"
accept = { yes = "1", no = "2", timeout = "6s" }
no_agent = "no_agent"
briefing_language = "eng"
[llm]
ask = true
[intent.bill]
then = "say:bill"
[intent.branch]
then = "say:branch"
[intent.fault]
then = "say:fault"
[intent.roaming]
then = "say:roaming"
[intent.payment]
then = "say:payment"
[[workflow.order.steps]]
tool = "order"
fail = "go:general"
[[workflow.order.steps]]
then = "say:order"
[tool.order]
host = "crm"
path = "/order"
results = { status = "/status" }
timeout = "10s"
filler = "looking"
[intent.goodbye]
then = "end:goodbye"
chat = true
"#;

const ENGLISH: &str = r#"
[say]
greeting = "Welcome to the simulated hotline, say what you want."
language_changed = "English it is."
keys_only = "I cannot hear you, press 0."
no_input_1 = "Are you there?"
no_input_2 = "Please say something."
no_match = "Say that again please."
transferring = "One moment."
closed = "We are closed."
gave_up = "Sorry, goodbye."
no_agent = "Nobody is free, what else?"
briefing = "Caller wants {wanted}, press 1 or 2."
bill = "Your bill is 388 dollars."
branch = "The shops open at eleven."
fault = "A technician will call you."
roaming = "Roaming is 68 dollars a day."
payment = "Pay at any shop."
goodbye = "Thank you, goodbye."
order = "Your order is {status}."
looking = "Let me look."
[labels]
yue = "Cantonese"
eng = "English"
asked_for_human = "asked for a person"
urgent = "urgent"
unresolved = "unresolved"
no_input = "silent"
key = "pressed 0"
nothing = "nothing clear"
bill = "bill"
branch = "branch"
fault = "fault"
roaming = "roaming"
payment = "payment"
goodbye = "goodbye"
"#;

const CANTONESE: &str = r#"
[say]
greeting = "歡迎致電模擬熱線，請講。"
language_changed = "好，講廣東話。"
keys_only = "我聽唔到，請按零。"
no_input_1 = "你仲喺度嗎？"
no_input_2 = "請你講嘢。"
no_match = "請再講一次。"
transferring = "請等等。"
closed = "已經收工。"
gave_up = "對唔住，再見。"
no_agent = "冇同事得閒，仲有咩？"
briefing = "客人想{wanted}，按一或者二。"
bill = "你張單三百八十八蚊。"
branch = "分店十一點開門。"
fault = "技術員會打俾你。"
roaming = "漫遊每日六十八蚊。"
payment = "可以去分店交錢。"
goodbye = "多謝，再見。"
order = "訂單{status}。"
looking = "等我睇睇。"
[labels]
yue = "廣東話"
eng = "英文"
asked_for_human = "想搵真人"
urgent = "緊急"
unresolved = "解決唔到"
no_input = "冇出聲"
key = "按咗零"
nothing = "未清楚"
bill = "賬單"
branch = "分店"
fault = "故障"
roaming = "漫遊"
payment = "繳費"
goodbye = "再見"
"#;

const ENGLISH_PHRASES: &str = r#"
bill = ["check my bill", "how much is my bill", "my phone bill please", "what do i owe", "bill enquiry"]
branch = ["when do the shops open", "branch opening hours", "where is the shop", "shop hours", "is the branch open"]
fault = ["my internet is down", "report a fault", "no signal at home", "the router is broken", "the line keeps dropping"]
roaming = ["i am going to japan", "data roaming charges", "use my phone abroad", "travelling overseas", "international roaming"]
payment = ["how can i pay", "pay by credit card", "set up autopay", "payment methods", "can i pay later"]
goodbye = ["goodbye", "bye bye", "that is all goodbye", "bye", "good bye then"]
"#;

const CANTONESE_PHRASES: &str = r#"
bill = ["我想查賬單", "查下張單", "張單幾多錢", "電話費幾多", "賬單查詢"]
branch = ["分店幾點開門", "門市時間", "分店喺邊", "鋪頭幾點開", "分店開唔開"]
fault = ["上唔到網", "想報故障", "屋企冇訊號", "部機壞咗", "條線成日斷"]
roaming = ["我要去日本", "漫遊收費", "外國用電話", "去旅行上網", "國際漫遊"]
payment = ["點樣交錢", "用信用卡畀", "設定自動轉賬", "繳費方法", "可唔可以遲啲畀"]
goodbye = ["再見", "拜拜", "冇嘢喇拜拜", "拜拜喇", "再見喇"]
"#;

const TERMS: &str = r#"
version = "2026-03"
approved_by = "Compliance"
approved_at = "2026-02-20"
must_hear = 2
then = "say:payment"
eng = ["The plan is for two years.", "You may cancel within seven days.", "Thank you for listening."]
yue = ["計劃為期兩年。", "你可以喺七日之內取消。", "多謝收聽。"]
"#;

/// The line and what was learnt from it; read and trained once for all tests.
pub fn line() -> (Arc<Plan>, Arc<Understanding>) {
    static LINE: OnceLock<(Arc<Plan>, Arc<Understanding>)> = OnceLock::new();
    LINE.get_or_init(|| {
        let files: BTreeMap<String, String> = [
            ("plan.toml", PLAN),
            ("scripts/terms.toml", TERMS),
            ("prompts/eng.toml", ENGLISH),
            ("prompts/yue.toml", CANTONESE),
            ("phrases/eng.toml", ENGLISH_PHRASES),
            ("phrases/yue.toml", CANTONESE_PHRASES),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
        let files = PlanFiles { name: "sim".to_owned(), folder: "sim".to_owned(), files };
        let (problems, warnings) = (Problems::default(), Problems::default());
        let plan = read_plan(&files, &problems, &warnings);
        let plan = Arc::new(plan.unwrap_or_else(|| panic!("the plan has problems: {:?}", problems.into_vec())));
        let understanding = Arc::new(Understanding::train(&plan));
        (plan, understanding)
    })
    .clone()
}
