from pathlib import Path

import pytest

from infra.config import ConfigError, load_config, overridable_values
from infra.paths import CONFIG


def test_the_example_is_a_valid_configuration() -> None:
    config = load_config(directory=CONFIG, stage="example")
    assert config.stage.removal == "retain"
    assert config.partner.retry_schedule_seconds == (5, 30, 300, 1800, 7200, 18000, 36000, 36000)
    assert (config.meta.extras, config.meta.flows) == ({}, {})
    assert config.api.jwt_issuer is None


def test_the_local_stage_may_use_plain_http_on_loopback() -> None:
    config = load_config(directory=CONFIG, stage="local")
    assert config.is_local
    assert config.meta.graph_base_url.startswith("http://127.0.0.1")


def test_the_example_names_every_value() -> None:
    text = (CONFIG / "example.toml").read_text(encoding="utf-8")
    missing = [name for name in overridable_values() if name.partition(".")[2] not in text]
    assert missing == []


def test_values_are_given_for_one_run_as_text_or_json() -> None:
    config = load_config(
        directory=CONFIG,
        stage="local",
        overrides={
            "api.allowed_origins": "http://127.0.0.1:1, http://localhost:2",
            "partner.retry_schedule_seconds": "[1, 2]",
            "partner.budget_calls": "50",
            "stage.tracing": "true",
            "meta.extras": '{"version": "v4", "setup": {"solutionID": "123456789012345"}}',
            "meta.graph_base_url": "http://127.0.0.1:9000/",
        },
    )
    assert config.api.allowed_origins == ("http://127.0.0.1:1", "http://localhost:2")
    assert config.partner.retry_schedule_seconds == (1, 2)
    assert config.partner.budget_calls == 50
    assert config.stage.tracing is True
    assert config.meta.extras == {"version": "v4", "setup": {"solutionID": "123456789012345"}}
    assert config.meta.graph_base_url == "http://127.0.0.1:9000"


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text('[stage]\nname = "dev"\nremoval = "never"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(directory=tmp_path, stage="dev")
    told = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in told] == [
        "[stage] removal",
        "[partner]",
        "[meta]",
        "[api]",
        "[messaging]",
    ]


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("absent", "absent.toml: there is no such file"),
        ("../x", "use lower-case letters"),
        ("bad", "not TOML"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, stage: str, told: str) -> None:
    (tmp_path / "bad.toml").write_text("[stage", encoding="utf-8")
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        load_config(directory=tmp_path, stage=stage)


def test_a_configuration_cannot_be_changed() -> None:
    config = load_config(directory=CONFIG, stage="example")
    with pytest.raises(ValueError, match="frozen"):
        config.stage.name = "other"  # type: ignore[misc]


def test_a_name_of_its_own_for_the_api() -> None:
    config = load_config(
        directory=CONFIG,
        stage="example",
        overrides={
            "api.domain_name": "onramp.example.com",
            "api.certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/ab-cd",
            "api.throttle_rate": "7",
        },
    )
    assert config.api.domain_name == "onramp.example.com"
    assert (config.api.throttle_rate, config.api.throttle_burst) == (7, 100)


def test_a_file_without_a_word_about_drifts_reports_dead_keys_and_mends_webhooks() -> None:
    config = load_config(directory=CONFIG, stage="local")
    assert (config.numbers.mend_keys, config.numbers.mend_webhooks) == ("report", "mend")
    changed = load_config(directory=CONFIG, stage="local", overrides={"numbers.mend_keys": "mend"})
    assert (changed.numbers.mend_keys, changed.numbers.mend_webhooks) == ("mend", "mend")
