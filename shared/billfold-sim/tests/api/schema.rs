//! Stripe's field lists, and a check of an object against them. The lists in `schema/` name path,
//! type, `?` for what may be absent, `0` for what may be null, and the values of an enum; they
//! were drawn from Stripe's published OpenAPI description (MIT).

use std::collections::BTreeMap;

use serde_json::Value;

pub struct Field {
    kind: String,
    optional: bool,
    nullable: bool,
    choices: Vec<String>,
}

pub struct Schema {
    objects: BTreeMap<&'static str, BTreeMap<String, Field>>,
}

macro_rules! lists {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("schema/", $name, ".txt")))),*]
    };
}

impl Schema {
    pub fn read() -> Self {
        let lists = lists![
            "account",
            "balance",
            "charge",
            "coupon",
            "credit_note",
            "credit_note_line_item",
            "customer",
            "discount",
            "dispute",
            "event",
            "invoice",
            "invoice_payment",
            "line_item",
            "plan",
            "price",
            "product",
            "refund",
            "subscription",
            "subscription_item",
            "webhook_endpoint",
        ];
        let objects = lists.map(|(name, list)| (name, list.lines().map(field).collect()));
        Self { objects: objects.into() }
    }

    /// Everything in which an object differs from its field list, with the paths.
    pub fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let name = value["object"].as_str().unwrap_or_default();
        self.object(name, value, name, &mut faults);
        faults
    }

    fn object(&self, name: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        match self.objects.get(name) {
            Some(fields) => self.hash(fields, "", value, at, faults),
            None => faults.push(format!("{at}: there is no list for {name:?}")),
        }
    }

    fn hash(&self, fields: &BTreeMap<String, Field>, prefix: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(map) = value.as_object() else {
            return faults.push(format!("{at}: not an object"));
        };
        for (key, inner) in map {
            let path = format!("{prefix}{key}");
            match fields.get(&path) {
                None => faults.push(format!("{at}.{key}: unknown")),
                Some(field) => self.value(fields, &path, field, inner, &format!("{at}.{key}"), faults),
            }
        }
        for (path, field) in fields {
            let own = path.strip_prefix(prefix).filter(|rest| !rest.contains(['.', '[']));
            if let Some(key) = own
                && !field.optional
                && !map.contains_key(key)
            {
                faults.push(format!("{at}.{key}: missing"));
            }
        }
    }

    fn value(
        &self,
        fields: &BTreeMap<String, Field>,
        path: &str,
        field: &Field,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        if value.is_null() {
            if !field.nullable {
                faults.push(format!("{at}: null"));
            }
            return;
        }
        let chosen = value.as_str().unwrap_or_default();
        if !field.choices.is_empty() && value.is_string() && !field.choices.iter().any(|own| own == chosen) {
            faults.push(format!("{at}: {chosen:?} is not among its values"));
        }
        let good = match field.kind.split_once(':') {
            None if field.kind == "object" => {
                let prefix = format!("{path}.");
                if fields.keys().any(|other| other.starts_with(&prefix)) {
                    self.hash(fields, &prefix, value, at, faults);
                }
                value.is_object()
            }
            None => plain(&field.kind, value),
            Some(("list", of)) => self.list(of, value, at, faults),
            Some(("array", of)) => {
                let inner =
                    Field { kind: of.to_owned(), optional: false, nullable: false, choices: field.choices.clone() };
                let path = format!("{path}[]");
                for (place, element) in value.as_array().into_iter().flatten().enumerate() {
                    self.value(fields, &path, &inner, element, &format!("{at}[{place}]"), faults);
                }
                value.is_array()
            }
            Some((kind, of)) => {
                if value.is_object() && of != "any" {
                    self.object(of, value, at, faults);
                }
                value.is_object() || (kind == "id" && value.is_string())
            }
        };
        if !good {
            faults.push(format!("{at}: {value} is not of type {}", field.kind));
        }
    }

    fn list(&self, of: &str, value: &Value, at: &str, faults: &mut Vec<String>) -> bool {
        let rows = value["data"].as_array();
        for row in rows.into_iter().flatten() {
            self.object(of, row, at, faults);
        }
        let keys: Vec<&str> = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let all = ["object", "data", "has_more", "url"];
        value["object"] == "list" && all.iter().all(|key| keys.contains(key)) && keys.len() == all.len()
    }
}

fn plain(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "map" => value.is_object(),
        _ => true,
    }
}

fn field(line: &str) -> (String, Field) {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (path, kind, rest) = (word(), word(), word());
    let (marks, choices) = match rest.split_once('{') {
        Some((marks, choices)) => (marks, choices.trim_end_matches('}')),
        None => (rest.as_str(), ""),
    };
    let choices = choices.split('|').filter(|choice| !choice.is_empty());
    let field = Field {
        kind,
        optional: marks.contains('?'),
        nullable: marks.contains('0'),
        choices: choices.map(str::to_owned).collect(),
    };
    (path, field)
}

#[test]
fn the_check_sees_what_is_wrong() {
    let schema = Schema::read();
    let good = serde_json::json!({
        "id": "we_1", "object": "webhook_endpoint", "api_version": null, "application": null, "created": 1,
        "description": null, "enabled_events": ["*"], "livemode": false, "metadata": {}, "status": "enabled",
        "url": "https://example.com",
    });
    assert_eq!(schema.faults(&good), Vec::<String>::new());
    let broken = [
        ("status", Value::Null, "webhook_endpoint.status: null"),
        ("created", "soon".into(), "webhook_endpoint.created: \"soon\" is not of type number"),
        ("extra", 1.into(), "webhook_endpoint.extra: unknown"),
    ];
    for (key, value, fault) in broken {
        let mut object = good.clone();
        object[key] = value;
        assert_eq!(schema.faults(&object), [fault]);
    }
    let mut missing = good.clone();
    missing.as_object_mut().expect("an object").remove("url");
    assert_eq!(schema.faults(&missing), ["webhook_endpoint.url: missing"]);
}
