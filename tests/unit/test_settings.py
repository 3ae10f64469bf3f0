"""Each function reads its settings once, and names what is missing."""

from datetime import timedelta

import pytest

from onramp.settings import (
    CodeExchangeSettings,
    EventPublisherSettings,
    NumberSubmissionSettings,
    OnboardingWorkerSettings,
    PartnerEventWorkerSettings,
    ReconcilerSettings,
    Settings,
    SettingsError,
    SignupQueriesSettings,
    WorkerSettings,
    json_object,
    json_texts,
)

EVERY: list[type[Settings]] = [
    CodeExchangeSettings,
    NumberSubmissionSettings,
    SignupQueriesSettings,
    OnboardingWorkerSettings,
    PartnerEventWorkerSettings,
    ReconcilerSettings,
    EventPublisherSettings,
]
WORKERS: list[type[WorkerSettings]] = [OnboardingWorkerSettings, PartnerEventWorkerSettings]


def environment(settings: type[Settings], **changes: str) -> dict[str, str]:
    return dict.fromkeys(settings.names(), "7") | changes


@pytest.mark.parametrize("settings", EVERY)
def test_settings_are_the_variables_of_the_same_names(settings: type[Settings]) -> None:
    source = {name: f"value of {name}" for name in settings.names()}
    read = settings.read(source | {"UNRELATED": "x"})
    assert {name.upper(): getattr(read, name.lower()) for name in settings.names()} == source


def needed(settings: type[Settings]) -> list[str]:
    """The variables that a stage cannot do without."""
    return [name for name in settings.names() if not hasattr(settings, name.lower())]


@pytest.mark.parametrize(
    ("settings", "name"), [(settings, name) for settings in EVERY for name in needed(settings)]
)
@pytest.mark.parametrize("empty", [False, True])
def test_what_is_missing_or_empty_is_named(settings: type[Settings], name: str, empty: bool) -> None:
    source = environment(settings)
    if empty:
        source[name] = ""
    else:
        del source[name]
    with pytest.raises(SettingsError) as raised:
        settings.read(source)
    assert str(raised.value) == f"missing: {name}"


@pytest.mark.parametrize("settings", EVERY)
def test_all_that_is_missing_is_named_at_once(settings: type[Settings]) -> None:
    with pytest.raises(SettingsError) as raised:
        settings.read({})
    assert str(raised.value) == f"missing: {', '.join(needed(settings))}"


def test_what_a_stage_does_without_says_nothing() -> None:
    source = environment(OnboardingWorkerSettings)
    del source["HUBS"]
    source["MESSAGING_WEBHOOKS"] = ""
    read = OnboardingWorkerSettings.read(source)
    assert (read.hubs, read.messaging_webhooks) == ("{}", "{}")


def test_settings_come_from_the_process_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(NumberSubmissionSettings, TABLE_NAME="the-table").items():
        monkeypatch.setenv(name, value)
    assert NumberSubmissionSettings.read().table_name == "the-table"


def test_settings_do_not_change() -> None:
    settings = ReconcilerSettings.read(environment(ReconcilerSettings))
    with pytest.raises(AttributeError):
        settings.stage = "other"


@pytest.mark.parametrize("settings", WORKERS)
def test_waits_are_read_as_such(settings: type[WorkerSettings]) -> None:
    read = settings.read(
        environment(settings, RETRY_SCHEDULE_SECONDS="5,30, 300", RECONCILE_AFTER_SECONDS="600")
    )
    assert read.retry_seconds == (5, 30, 300)
    assert read.look_after == timedelta(minutes=10)


def test_the_budget_is_read_as_numbers() -> None:
    read = OnboardingWorkerSettings.read(
        environment(OnboardingWorkerSettings, PARTNER_BUDGET_CALLS="5", PARTNER_BUDGET_WINDOW_SECONDS="30")
    )
    assert read.budget_calls == 5
    assert read.budget_window == timedelta(seconds=30)


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "1e3", " ", "5,,30", "5,0", ",", "5;30"])
@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("RETRY_SCHEDULE_SECONDS", "retry_seconds"),
        ("RECONCILE_AFTER_SECONDS", "look_after"),
        ("PARTNER_BUDGET_CALLS", "budget_calls"),
        ("PARTNER_BUDGET_WINDOW_SECONDS", "budget_window"),
    ],
)
def test_a_number_that_is_none_is_named_and_not_shown(name: str, member: str, value: str) -> None:
    read = OnboardingWorkerSettings.read(environment(OnboardingWorkerSettings, **{name: value}))
    with pytest.raises(SettingsError) as raised:
        getattr(read, member)
    assert str(raised.value) == f"{name} must hold positive whole numbers"


@pytest.mark.parametrize(("word", "mends"), [("report", False), ("mend", True)])
def test_what_is_done_about_a_drift_is_one_of_two_words(word: str, mends: bool) -> None:
    values = {"NUMBERS_MEND_KEYS": word, "NUMBERS_MEND_WEBHOOKS": word}
    read = OnboardingWorkerSettings.read(environment(OnboardingWorkerSettings, **values))
    assert (read.mend_keys, read.mend_webhooks) == (mends, mends)


@pytest.mark.parametrize("value", ["True", "Mend", "1", "mend "])
@pytest.mark.parametrize("member", ["mend_keys", "mend_webhooks"])
def test_any_other_word_is_not_guessed_at(member: str, value: str) -> None:
    name = f"NUMBERS_{member.upper()}"
    read = OnboardingWorkerSettings.read(environment(OnboardingWorkerSettings, **{name: value}))
    with pytest.raises(SettingsError) as raised:
        getattr(read, member)
    assert str(raised.value) == f"{name} must be report or mend"


def test_a_json_object_is_read() -> None:
    assert json_object("SIGNUP_PAGE", '{"setup": {"solutionID": "1"}}') == {"setup": {"solutionID": "1"}}


@pytest.mark.parametrize("value", ["", "[]", "null", "7", "{", "'{}'"])
def test_anything_else_is_named_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        json_object("SIGNUP_PAGE", value)
    assert str(raised.value) == "SIGNUP_PAGE must hold a JSON object"


def test_a_json_list_of_texts_is_read() -> None:
    assert json_texts("META_REDIRECT_URIS", '["https://a.example/"]') == ("https://a.example/",)
    assert json_texts("META_REDIRECT_URIS", "[]") == ()


@pytest.mark.parametrize("value", ["", "{}", "null", "[7]", "[", '"https://a.example/"'])
def test_anything_but_such_a_list_is_named_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        json_texts("META_REDIRECT_URIS", value)
    assert str(raised.value) == "META_REDIRECT_URIS must hold a JSON list of texts"
