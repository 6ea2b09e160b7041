import pytest

from text2sql_lightning.prepare.distractors.names import (
    compact,
    is_id,
    meaning,
    name_style,
    read_name,
    split_name,
    text_meanings,
    write_name,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("full_name", ["full", "name"]),
        ("FullName", ["Full", "Name"]),
        ("City_ID", ["City", "ID"]),
        ("mID", ["m", "ID"]),
        ("viewers__millions_", ["viewers", "millions"]),
        ("area_km2", ["area", "km", "2"]),
        ("_", []),
    ],
)
def test_words_of_a_name(name: str, words: list[str]) -> None:
    assert split_name(name) == words


@pytest.mark.parametrize(
    ("names", "style"),
    [
        (["first_name", "age"], "snake"),
        (["name", "age"], "snake"),
        (["Official_Name", "City_ID", "Year"], "title"),
        (["FullName", "Id"], "pascal"),
        (["ratingDate", "stars"], "camel"),
        (["EMP_NUM", "EMP_LNAME"], "upper"),
        (["Full Name", "Age"], "spaced"),
        ([], "snake"),
    ],
)
def test_the_style_of_names(names: list[str], style: str) -> None:
    assert name_style(names) == style


def test_a_name_in_each_style() -> None:
    styles = ("snake", "title", "upper", "camel", "pascal", "spaced")
    assert [write_name(["home", "team", "id"], style) for style in styles] == [
        "home_team_id",
        "Home_Team_ID",
        "HOME_TEAM_ID",
        "homeTeamID",
        "HomeTeamID",
        "Home Team ID",
    ]


def test_words_that_mean_the_same_are_one() -> None:
    assert meaning("venue") == meaning("location") == meaning("stadiums")
    assert meaning("directed") == meaning("director")
    assert meaning("winner") == meaning("wins") == meaning("won")
    assert meaning("country") != meaning("county")
    assert meaning("year") != meaning("date")


def test_the_head_of_a_name_is_its_noun() -> None:
    assert read_name("home_team_score").head == meaning("score")
    assert read_name("date_of_birth").head == meaning("date")
    assert read_name("viewers__millions_").head == meaning("viewers")
    assert read_name("viewers__millions_").short == read_name("viewers__m_").short
    assert read_name("player_name").core == read_name("player").core
    assert read_name("winning_driver").kind == "person"


def test_unusual_names() -> None:
    usual = ["name", "us_viewers__millions_", "order", "2nd_leg", "a b", "größe", "x" * 37, "a_b_c_d_e_f_g"]
    assert [read_name(name).is_usual for name in usual] == [True, True, *[False] * 6]


def test_ids_and_compact_names() -> None:
    assert [is_id(name) for name in ("city_id", "CityID", "custid", "id", "paid", "idea")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert compact("Air_Dates") == compact("airdate") == "airdate"


def test_the_words_of_a_question() -> None:
    assert meaning("location") in text_meanings("At which venue was it?")
