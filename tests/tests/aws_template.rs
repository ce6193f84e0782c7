//! What template.yaml must say: each function has its folder and the narrowest role, each queue its dead letters and time,
//! each trouble its alarm. AWS's own linters have their say as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use billfold_tests::stand_in::{REGION, Tools};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// YAML with CloudFormation's short forms, each as an object of its long name.
const PARSE: &str = r#"
import json, sys, yaml
def short(loader, tag, node):
    kind = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence,
            yaml.MappingNode: loader.construct_mapping}[type(node)]
    value = kind(node) if isinstance(node, yaml.ScalarNode) else kind(node, True)
    return {tag: value}
yaml.SafeLoader.add_multi_constructor("!", short)
json.dump(yaml.safe_load(open(json.load(sys.stdin)["path"])), sys.stdout, default=str)
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn tools() -> Tools {
    Tools::installed(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// The resources of the template.
fn resources() -> BTreeMap<String, Value> {
    let path = root().join("template.yaml");
    let template = tools().python(PARSE, &json!({ "path": path }), None).unwrap();
    serde_json::from_value(template["Resources"].clone()).unwrap()
}

fn of_type<'a>(resources: &'a BTreeMap<String, Value>, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let right = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
    right.map(|(name, resource)| (name.as_str(), &resource["Properties"])).collect()
}

/// What a short form names: `!Ref X`, or `!GetAtt X.Arn`.
fn names(value: &Value) -> &str {
    let text = value["Ref"].as_str().or_else(|| value["GetAtt"].as_str()).unwrap();
    text.split('.').next().unwrap()
}

/// The function of a folder, its role's statements without those that every function has, and those.
fn statements(resources: &BTreeMap<String, Value>, function: &str) -> Vec<Value> {
    let name = format!("{}{}", function[..1].to_uppercase(), &function[1..]);
    let properties = &resources[&format!("{name}Function")]["Properties"];
    let role = &resources[names(&properties["Role"])]["Properties"];
    assert!(role.get("ManagedPolicyArns").is_none(), "{function} has policies that nobody here has read");
    let policies = role["Policies"].as_array().unwrap();
    policies.iter().flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap().clone()).collect()
}

fn folders() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("functions")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[test]
fn every_folder_is_a_function_and_every_function_has_a_folder() {
    let resources = resources();
    let functions = of_type(&resources, "AWS::Serverless::Function");
    let code = |function: &&Value| function["CodeUri"].as_str().unwrap().trim_start_matches("functions/").to_owned();
    assert_eq!(functions.values().map(code).collect::<BTreeSet<_>>(), folders());
    for (name, function) in functions {
        let folder = code(&function);
        assert_eq!(name.to_lowercase(), format!("{folder}function"));
        let binary = &resources[name]["Metadata"]["BuildProperties"]["Binary"];
        assert_eq!(binary, &json!(format!("billfold-{folder}")));
        let logs = names(&function["LoggingConfig"]["LogGroup"]);
        assert!(resources[logs]["Properties"]["RetentionInDays"].is_object(), "{name} keeps its logs for ever");
    }
}

#[test]
fn every_queue_has_dead_letters_and_time_and_a_bound() {
    let resources = resources();
    let mut fed = BTreeSet::new();
    for (name, function) in of_type(&resources, "AWS::Serverless::Function") {
        for event in function["Events"].as_object().into_iter().flat_map(|events| events.values()) {
            if event["Type"] != "SQS" {
                continue;
            }
            let (event, queue) = (&event["Properties"], names(&event["Properties"]["Queue"]));
            fed.insert(queue.to_owned());
            assert_eq!(event["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{name}");
            let concurrency = event["ScalingConfig"]["MaximumConcurrency"].as_u64().unwrap();
            assert!((2..=10).contains(&concurrency), "{name} asks Stripe {concurrency} times at once");
            let properties = &resources[queue]["Properties"];
            let (visible, timeout) = (properties["VisibilityTimeout"].as_u64().unwrap(), function["Timeout"].as_u64());
            assert!(visible >= 6 * timeout.unwrap(), "{queue}: {visible} s for {timeout:?} s");
            let redrive = &properties["RedrivePolicy"];
            assert!(redrive["maxReceiveCount"].as_u64().unwrap() >= 5, "{queue}");
            let dead = names(&redrive["deadLetterTargetArn"]);
            let kept = |queue: &str| resources[queue]["Properties"]["MessageRetentionPeriod"].as_u64().unwrap();
            assert!(kept(dead) >= kept(queue), "{dead} forgets what {queue} still kept");
        }
    }
    let queues: BTreeSet<String> = of_type(&resources, "AWS::SQS::Queue").into_keys().map(str::to_owned).collect();
    let dead: BTreeSet<String> = fed.iter().map(|queue| queue.replace("Queue", "DeadLetters")).collect();
    assert_eq!(queues, fed.union(&dead).cloned().collect());
}

#[test]
fn every_trouble_has_an_alarm_that_somebody_hears() {
    let resources = resources();
    let alarms = of_type(&resources, "AWS::CloudWatch::Alarm");
    let mut watched = BTreeSet::new();
    for (name, alarm) in &alarms {
        assert_eq!(alarm["AlarmActions"], json!([{ "Ref": "Alarms" }]), "{name}");
        let dimensions = alarm["Dimensions"].as_array().cloned().unwrap_or_default();
        let of = dimensions.first().map_or("stack", |dimension| names(&dimension["Value"])).to_owned();
        watched.insert(format!("{} of {of}", alarm["MetricName"].as_str().unwrap_or("FailedRuns")));
    }
    for queue in ["Sync", "Recompute"] {
        assert!(watched.contains(&format!("ApproximateNumberOfMessagesVisible of {queue}DeadLetters")), "{watched:?}");
        assert!(watched.contains(&format!("ApproximateAgeOfOldestMessage of {queue}Queue")), "{watched:?}");
    }
    for function in of_type(&resources, "AWS::Serverless::Function").keys() {
        assert!(watched.contains(&format!("Errors of {function}")), "{watched:?}");
    }
    for other in ["FailedRuns of stack", "5xx of Api", "Invocations of SweepFunction"] {
        assert!(watched.contains(other), "{other} in {watched:?}");
    }
    assert_eq!(alarms["SilenceAlarm"]["TreatMissingData"], "breaching", "silence makes no data");
    let explained = std::fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    for name in alarms.keys() {
        assert!(explained.contains(&format!("`{name}`")), "docs/OPERATIONS.md does not say what {name} means");
    }
}

/// A topic that is encrypted with a key which CloudWatch may not use receives nothing, and no error shows it. `alias/aws/sns` is
/// such a key, and its policy cannot be changed.
#[test]
fn cloudwatch_may_publish_to_the_topic_of_the_alarms() {
    let resources = resources();
    let topic = &resources["Alarms"]["Properties"];
    let Some(key) = topic.get("KmsMasterKeyId") else { return };
    let key = &resources[key["Ref"].as_str().unwrap_or_else(|| panic!("the key {key} is not of the stack"))];
    let statements = key["Properties"]["KeyPolicy"]["Statement"].as_array().unwrap();
    let of_cloudwatch = statements.iter().filter(|one| one["Principal"]["Service"] == "cloudwatch.amazonaws.com");
    let allowed: BTreeSet<String> = of_cloudwatch.flat_map(|one| strings(&one["Action"])).collect();
    let needed = BTreeSet::from(["kms:Decrypt", "kms:GenerateDataKey*"].map(str::to_owned));
    assert!(allowed.is_superset(&needed), "CloudWatch may {allowed:?} with the key of the topic");
}

/// A reservation above zero would fail in new accounts, whose quota is 10, so the default is none.
#[test]
fn deliveries_can_have_executions_of_their_own() {
    let webhook = &resources()["WebhookFunction"]["Properties"];
    let reserved = json!({"If": ["HasWebhookConcurrency", {"Ref": "WebhookConcurrency"}, {"Ref": "AWS::NoValue"}]});
    assert_eq!(webhook["ReservedConcurrentExecutions"], reserved);
}

#[test]
fn the_table_outlives_the_stack() {
    let table = &resources()["Table"];
    assert_eq!((&table["DeletionPolicy"], &table["UpdateReplacePolicy"]), (&json!("Retain"), &json!("Retain")));
    let properties = &table["Properties"];
    assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(properties["DeletionProtectionEnabled"], true);
    assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(properties["TimeToLiveSpecification"]["Enabled"], true);
    let indexes = properties["GlobalSecondaryIndexes"].as_array().unwrap().iter();
    let indexes: BTreeSet<&str> = indexes.map(|index| index["IndexName"].as_str().unwrap()).collect();
    let used = [billfold_store::INDEX_BY_MRR, billfold_store::INDEX_BY_ARR, billfold_store::INDEX_BY_NAME];
    assert_eq!(indexes, BTreeSet::from(used));
}

#[test]
fn only_what_must_be_public_is() {
    let resources = resources();
    let mut public = BTreeSet::new();
    for (name, route) in of_type(&resources, "AWS::ApiGatewayV2::Route") {
        let key = route["RouteKey"].as_str().unwrap();
        match route["AuthorizationType"].as_str().unwrap() {
            "JWT" => assert_eq!(names(&route["AuthorizerId"]), "TokenAuthorizer", "{name}"),
            _ => assert!(public.insert(key.to_owned())),
        }
    }
    let expected = [
        "POST /webhooks/stripe/{endpoint_id}",
        "GET /invites/{token}",
        "POST /invites/{token}",
        "GET /healthz",
        "GET /openapi.json",
    ];
    assert_eq!(public, expected.map(str::to_owned).into());
}

#[test]
fn nobody_may_do_more_than_its_work() {
    let resources = resources();
    for function in folders() {
        let mut secrets = Vec::new();
        for statement in statements(&resources, &function) {
            let (actions, resource) = (strings(&statement["Action"]), strings(&statement["Resource"]).join(" "));
            assert!(actions.iter().all(|action| !action.contains('*')), "{function}: {actions:?}");
            let anywhere = resource == "*";
            assert!(!anywhere, "{function}: {actions:?}");
            if actions.iter().any(|action| action.starts_with("secretsmanager:")) {
                secrets.push((actions.clone(), resource.clone()));
            }
            // The sweep marks and notes, and takes nothing away.
            let never: &[&str] = match function.as_str() {
                "query" => &["Put", "Update", "Delete"],
                "sweep" => &["Update", "Delete"],
                _ => &[],
            };
            let may = |verb: &&str| actions.iter().any(|action| action.starts_with(&format!("dynamodb:{verb}")));
            assert!(!never.iter().any(may), "{function}: {actions:?}");
            assert!(function != "query" || !resource.contains("Queue"), "query may send: {actions:?}");
        }
        let only = |which: &str| secrets.iter().all(|(_, resource)| resource.contains(&format!("*/{which}-??????")));
        let reads = secrets.iter().all(|(actions, _)| actions == &["secretsmanager:GetSecretValue"]);
        match function.as_str() {
            "connect" => assert_eq!(secrets.len(), 1),
            "webhook" => assert!(secrets.len() == 1 && reads && only("signing-secrets"), "{secrets:?}"),
            "sync" | "recompute" => assert!(secrets.len() == 1 && reads && only("api-key"), "{secrets:?}"),
            _ => assert!(secrets.is_empty(), "{function} has secrets: {secrets:?}"),
        }
    }
}

#[test]
fn the_linters_agree() {
    for (program, arguments) in [
        ("sam", ["validate", "--lint", "--template", "template.yaml", "--region", REGION].as_slice()),
        ("cfn-lint", ["template.yaml"].as_slice()),
    ] {
        let output = tools().program(program).args(arguments).current_dir(root()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
    }
}
