use super::*;
use clap::CommandFactory as _;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Command, ErrorKind> {
    let words = std::iter::once("billfold").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.kind())
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_contract() {
    let Ok(Command::Serve(serve)) = parse("serve") else { panic!("serve") };
    assert_eq!((serve.listen.to_string().as_str(), serve.data.to_str()), ("127.0.0.1:8787", Some("./billfold-data")));
    assert!(!serve.dev_tokens && !serve.listen_anywhere && serve.stripe_share.is_none());
    let Ok(Command::Token(token)) = parse("token") else { panic!("token") };
    assert_eq!((token.workspace.as_str(), token.role), ("default", RoleArg::Admin));
    let Ok(Command::Status(status)) = parse("status") else { panic!("status") };
    assert_eq!(status.target.url, "http://127.0.0.1:8787");
    let Ok(Command::Demo(demo)) = parse("demo") else { panic!("demo") };
    assert_eq!(demo.customers, 250);
}

#[test]
fn an_identity_provider_is_named_in_full_or_not_at_all() {
    let issuer = |line: &str| match parse(line) {
        Ok(Command::Serve(serve)) => Ok(serve.identity.issuer()),
        Ok(_) => panic!("{line}"),
        Err(kind) => Err(kind),
    };
    assert_eq!(issuer("serve --dev-tokens"), Ok(None));
    let full = "serve --jwks-url https://id.example/jwks --issuer https://id.example --audience billfold";
    let named = issuer(&format!("{full} --role-claim roles")).unwrap().unwrap();
    assert_eq!((named.issuer.as_str(), named.workspace_claim.as_str()), ("https://id.example", "billfold_workspace"));
    assert_eq!((named.audience.as_str(), named.role_claim.as_str()), ("billfold", "roles"));
    assert_eq!(issuer("serve --jwks-url https://id.example/jwks"), Err(ErrorKind::MissingRequiredArgument));
    let described = issuer("serve --issuer https://id.example --audience billfold").unwrap().unwrap();
    assert_eq!(described.jwks_url, None);
    assert_eq!(issuer("serve --issuer https://id.example"), Err(ErrorKind::MissingRequiredArgument));
    assert_eq!(issuer(&format!("{full} --dev-tokens")), Err(ErrorKind::ArgumentConflict));
}

#[test]
fn a_sort_may_begin_with_a_minus() {
    let Ok(Command::Accounts(accounts)) = parse("accounts --sort -arr --status paid --limit 7 --json") else {
        panic!("accounts")
    };
    assert_eq!((accounts.sort.as_str(), accounts.limit, accounts.target.json), ("-arr", 7, true));
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let check = |line: &str, expected: ErrorKind| assert_eq!(parse(line).err(), Some(expected), "{line}");
    check("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    check("nonsense", ErrorKind::InvalidSubcommand);
    check("connect rk_test_123", ErrorKind::UnknownArgument);
    check("connect --key rk_test_123", ErrorKind::UnknownArgument);
    check("account", ErrorKind::MissingRequiredArgument);
    check("accounts --limit 0", ErrorKind::ValueValidation);
    check("demo --customers 0", ErrorKind::ValueValidation);
    check("token --role god", ErrorKind::InvalidValue);
    check("token --workspace a#b", ErrorKind::ValueValidation);
    check("serve --listen everywhere", ErrorKind::ValueValidation);
    check("serve --stripe-share 2", ErrorKind::ValueValidation);
    check("serve --stripe-rps NaN", ErrorKind::ValueValidation);
    check("serve --stripe-api-base http://stripe.example", ErrorKind::ValueValidation);
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let mut cli = Cli::command();
    let help = cli.render_long_help().to_string();
    assert!(help.contains("Exit codes:"), "{help}");
    for command in cli.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        let name = command.get_name().to_owned();
        let help = command.render_long_help().to_string();
        assert!(help.contains("Example") && help.contains(&format!("billfold {name}")), "{name}: {help}");
    }
}
