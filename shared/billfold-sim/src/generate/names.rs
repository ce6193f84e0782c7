//! Names, company domains and e-mail addresses, some of them as awkward as in real life.

use super::dice::Dice;

const FIRST: &[&str] = &[
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farah", "Grace", "Hiro", "Ines", "Jonas", "Kofi", "Lena", "Marta",
    "Noor", "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tariq", "Uma", "Vera", "Wanda", "Xavier", "Yuki", "Zoe",
];
const LAST: &[&str] = &[
    "Abbott", "Baptiste", "Costa", "Dang", "Eriksen", "Fischer", "Gupta", "Hansen", "Ibrahim", "Jansen", "Kowalski",
    "Larsen", "Mbeki", "Novak", "Okafor", "Petrov", "Rossi", "Sato", "Tanaka", "Umarov", "Vogel", "Weber", "Yilmaz",
    "Zhang",
];
const COMPANY_HEAD: &[&str] = &[
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel",
    "Lumen", "Maple", "Nimbus", "Orchid", "Pioneer", "Quartz", "Raven", "Summit", "Tidal", "Umbra", "Vertex", "Willow",
    "Zephyr",
];
const COMPANY_TAIL: &[&str] = &[
    "Analytics",
    "Works",
    "Logistics",
    "Health",
    "Media",
    "Robotics",
    "Foods",
    "Capital",
    "Labs",
    "Energy",
    "Studios",
    "Systems",
    "Travel",
    "Retail",
    "Legal",
    "Security",
];
const TLD: &[&str] = &["com", "io", "co", "dev", "ai", "net", "de", "co.uk", "com.au"];
/// Mail services whose addresses say nothing of a company.
pub const PERSONAL: &[&str] = &["gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "proton.me"];
const AWKWARD: &[&str] = &[
    "O'Hara & \"Sons\", Ltd.",
    "<script>alert(1)</script>",
    "Ünïcødé Gesellschaft mbH & Co. KG",
    "株式会社サンプル",
    "شركة المثال",
    "Robert'); DROP TABLE accounts;--",
    "back\\slash \\u0041 Inc.",
    "🚀 Rocket 👩‍💻 Crew",
    "Tab\tand\nnewline GmbH",
    "=cmd|' /C calc'!A0",
    "  leading and trailing  ",
    "null",
];

#[derive(Clone, Debug)]
pub struct Company {
    pub name: String,
    pub domain: String,
}

/// A company whose domain no other number shares.
pub fn company(dice: &mut Dice, number: u64) -> Company {
    let head = *dice.pick(COMPANY_HEAD);
    let tail = *dice.pick(COMPANY_TAIL);
    let tld = *dice.pick(TLD);
    Company {
        name: format!("{head} {tail}"),
        domain: format!("{}{}-{number}.{tld}", head.to_lowercase(), tail.to_lowercase()),
    }
}

pub struct Person {
    pub name: String,
    pub mailbox: String,
}

pub fn person(dice: &mut Dice) -> Person {
    let (first, last) = (*dice.pick(FIRST), *dice.pick(LAST));
    Person { name: format!("{first} {last}"), mailbox: format!("{}.{}", first.to_lowercase(), last.to_lowercase()) }
}

pub fn awkward(dice: &mut Dice) -> String {
    (*dice.pick(AWKWARD)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{company, person};
    use crate::generate::dice::Dice;

    #[test]
    fn no_two_companies_share_a_domain() {
        let mut dice = Dice::new(3);
        let mut domains: Vec<_> = (0..500).map(|n| company(&mut dice, n).domain).collect();
        domains.sort();
        domains.dedup();
        assert_eq!(domains.len(), 500);
    }

    #[test]
    fn mailboxes_are_plain() {
        let mut dice = Dice::new(3);
        for _ in 0..100 {
            let mailbox = person(&mut dice).mailbox;
            assert!(mailbox.bytes().all(|b| b.is_ascii_lowercase() || b == b'.'), "{mailbox}");
        }
    }
}
