"""Columns as databases of many fields have them, for tables that nothing like is known of."""

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final, Literal, NamedTuple

from text2sql_lightning.prepare.distractors.names import meaning

Kind = Literal["text", "integer", "real", "date"]
_STARTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("INT", "integer"), ("BIGINT", "integer"), ("SMALLINT", "integer"), ("TINYINT", "integer"), ("BOOL", "integer"),
    ("REAL", "real"), ("FLOA", "real"), ("DOUB", "real"), ("DEC", "real"), ("NUM", "real"), ("MONEY", "real"),
    ("DATE", "date"), ("TIME", "date"), ("YEAR", "integer"),
)  # fmt: skip
_PLAIN: Final[dict[Kind, str]] = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "date": "DATE"}
_NUMBER_AS_TEXT: Final = 0.5


def kind_of(declared: str) -> Kind:
    """Return what a column of a declared type holds; text where the type says nothing."""
    upper = declared.upper()
    return next((kind for start, kind in _STARTS if upper.startswith(start)), "text")


def write_type(kind: Kind, present: Sequence[str], rng: Random) -> str:
    """Write a type as the schema's other columns have theirs.

    Args:
        kind: What the column holds.
        present: Declared types of the schema's columns.
        rng: Decides how a number is declared in schemas that know VARCHAR and INTEGER alone: those of
            `b-mc2/sql-create-context` say VARCHAR of numbers, too.

    Returns:
        The type; empty where the schema declares none.
    """
    declared = [kind for kind in present if kind]
    if not declared:
        return ""
    if {name.upper() for name in declared} <= {"VARCHAR", "INTEGER"}:
        return "INTEGER" if kind in ("integer", "real") and rng.random() < _NUMBER_AS_TEXT else "VARCHAR"
    of_kind = [name for name in declared if kind_of(name) == kind]
    return rng.choice(of_kind) if of_kind else _PLAIN[kind]


class PoolColumn(NamedTuple):
    """A column: the words of its name, and what it holds."""

    words: tuple[str, ...]
    kind: Kind


_MANY_FIELDS: Final = 4
_FITS: Final = 0.5
_COLUMN_WORD: Final = 0.4
_QUESTION_WORD: Final = 0.3
_KINDS: Final[dict[str, Kind]] = {"t": "text", "i": "integer", "r": "real", "d": "date"}

# One field a paragraph: words that tell it, then columns of text (t), whole numbers (i), numbers (r) and dates (d).
_POOL: Final = """
person people student teacher employee customer member staff user patient resident author
t: first name, last name, gender, email address, phone number, home address, occupation, marital status, nationality
t: middle name, preferred language, emergency contact, blood type, education level, hometown
i: age, birth year, household size, height cm, postal code
d: date of birth, registration date, last login

sport match team game league score opponent season player goal win loss tournament club coach
t: opponent, venue, referee, head coach, captain, stadium, weather, broadcaster, home city, jersey sponsor, formation
t: man of the match, playing surface, captain, assistant coach, halftime score, injury status, team color
i: attendance, season, wins, losses, draws, goals scored, yellow cards, substitutions, matches played, squad size
i: jersey number, overtime periods, rank, penalties
d: match date, kickoff time

racing driver rider cyclist lap grid constructor engine circuit rider race chassis pole stage
t: engine supplier, tyre supplier, chassis, circuit, sponsor, weather, team principal, car number, fastest lap, gearbox
i: laps completed, pit stops, grid position, points, podiums, top speed, retirements, race distance
d: qualifying time, race date

athletics swimming olympic medal gold silver bronze event heat lane athlete final mark
t: event, venue, heat, qualification status, personal best, coach, record status, wind reading
i: lane, round, silver medals, bronze medals, participants, world ranking, false starts
d: event date, start time

draft pick college position roster hometown school quarterback yards touchdown pitcher
t: hometown, high school, previous team, agent, conference, throwing hand, contract length, position coach
i: games started, jersey number, draft year, yards, touchdowns, interceptions, career earnings, weight pounds
d: signing date

golf tournament par tennis surface final partner outcome margin prize player runner
t: surface, sponsor, course, caddie, draw size, tour, prize category, tie break, tournament director
i: prize money, seed, holes played, course par, ranking points, year, sets played
d: start date, end date

music song album artist record label band single chart track singer concert
t: record label, producer, genre, songwriter, recording studio, album title, catalog number, format, lead vocalist
t: cover artist, music video director
i: chart position, sales, track number, duration seconds, copies sold, tempo
d: release date

film movie television episode series title director written air actor role award viewer production
t: producer, screenplay, cinematographer, composer, distributor, production company, filming location, genre, language
t: original network, narrator, editor, rating, format
i: running time, budget, season number, episode count, box office, nominations
d: release date, filming date

book library author publisher novel journal paper article magazine edition
t: publisher, isbn, language, genre, illustrator, translator, edition, binding, subtitle, shelf mark, imprint
i: page count, publication year, copies, citations, volume, print run
d: publication date, due date

school university course class grade student enrollment faculty campus degree department
t: principal, mascot, school type, campus, accreditation, department, building, semester, advisor, syllabus, team name
i: enrollment, founding year, credits, tuition, room number, class size, faculty size, graduation rate
d: start date, enrolment date

place city county country population area district region river mountain island capital town
t: time zone, official language, currency, climate, mayor, area code, region, nearest airport, demonym, religion
t: postal code, twin town, coat of arms
i: elevation, households, median age, area, founding year, annual rainfall, dialling code
r: latitude, longitude, density, growth rate

politics election party candidate district vote incumbent governor representative senator minister elected
t: running mate, constituency, campaign manager, term, committee, residence, profession, swing, predecessor, region
i: registered voters, turnout, seats, majority, spoiled ballots, first elected, polling stations
d: election date, inauguration date

company business manufacturer revenue headquarters industry employee founder profit owner brand
t: headquarters, industry, chief executive, founder, stock symbol, legal form, parent company, auditor, website, slogan
i: revenue, employees, founding year, market value, branches, net income, share price
d: fiscal year end

shop product order customer invoice price item payment purchase store supplier stock
t: supplier, color, packaging, warehouse, payment method, shipping address, order status, discount code, size, material
i: quantity, stock level, reorder level, shipping fee, warranty months, weight grams, tax
r: unit price, discount
d: order date, delivery date, expiry date

finance bank account loan balance transaction credit card insurance claim policy
t: branch, currency, account type, account holder, loan purpose, card type, risk class, approval status, guarantor
i: balance, credit score, overdraft limit, term months
r: interest rate, transaction fee, amount due
d: opening date, due date, settlement date

transport airport flight train station route bus ship vessel aircraft railway line locomotive airline
t: operator, departure city, destination, platform, aircraft type, fleet number, terminal, gauge, home port, route name
t: registration, call sign, service class, depot
i: seats, capacity, distance, maximum speed, engine power, crew size, passengers
d: departure time, arrival time, launch date

vehicle car engine model torque power displacement fuel transmission wheel
t: transmission, fuel type, body style, drive, trim level, color, gearbox, tyre size, engine layout
i: doors, wheelbase, curb weight, top speed, horsepower, cylinders, model year, mileage, tank size
r: acceleration, fuel consumption

technology computer software processor device version network server socket frequency memory protocol
t: operating system, vendor, release status, license, interface, architecture, firmware, codename, platform, chipset
i: memory size, cores, clock speed, cache size, port count, download size, units sold
d: release date, support end

radio station frequency call sign license channel broadcast owner erp
t: owner, format, city of license, transmitter site, slogan, branding, network affiliation, facility number, language
i: power watts, antenna height, channel number, frequency, listeners
d: sign on date

medicine hospital disease doctor drug treatment patient nurse physician symptom medication
t: diagnosis, ward, blood type, dosage, attending physician, insurance provider, allergy, treatment plan, specialty
i: room number, heart rate, bed count, length of stay
r: body temperature, dose
d: admission date, discharge date

nature species animal plant bird fish tree habitat genus pet dog
t: habitat, diet, scientific name, conservation status, color, origin, breed, order, family, nesting season
i: lifespan, clutch size, average weight, wingspan, litter size
d: first described

astronomy star planet galaxy constellation magnitude crater moon satellite orbit mission spacecraft
t: constellation, spectral class, discoverer, object class, launch vehicle, observatory, hemisphere, orbit
i: distance, diameter, orbital period, surface temperature, discovery year
r: magnitude, mass, inclination

building architecture floor tower house bridge church museum room apartment structure castle
t: architect, style, owner, building material, address, heritage status, contractor, dedication, opening hours, diocese
i: floors, height, construction cost, rooms, year built, parking spaces, visitors
d: opening date, completion date

food restaurant wine recipe dish menu hotel grape drink beer
t: cuisine, chef, menu, origin, vintage, allergens, flavor, ingredients, chain, cellar, serving style
i: seats, calories, portion size, preparation time, star rating, bottles
r: alcohol content, price per portion

military war battle ship squadron regiment unit commander fleet weapon rank
t: commander, home port, class, shipyard, battle honours, casualties, theatre, armament, nickname, garrison
i: displacement, crew, strength, range, service years
d: commissioned, decommissioned, launched

event festival conference meeting exhibition award ceremony project task contract document
t: organizer, theme, sponsor, status, host, keynote, description, category, venue, responsible department, priority
i: budget, participants, edition, ticket price, duration days, version
d: start date, end date, deadline

general
t: notes, status, remarks, category, description, source, reference, website, region, code, language, owner, origin
i: sequence number, quantity, version, priority, page number
d: last updated, date added, valid from
"""


class _Field(NamedTuple):
    hints: dict[str, float]
    columns: tuple[PoolColumn, ...]


@cache
def _fields() -> tuple[_Field, ...]:
    return tuple(_read_field(paragraph) for paragraph in _POOL.strip().split("\n\n"))


def _read_field(paragraph: str) -> _Field:
    hints, *lines = paragraph.split("\n")
    columns = [PoolColumn(tuple(name.split()), _KINDS[line[0]]) for line in lines for name in line[3:].split(", ")]
    says = {meaning(word): _COLUMN_WORD for column in columns for word in column.words}
    return _Field(says | dict.fromkeys(map(meaning, hints.split()), 1.0), tuple(dict.fromkeys(columns)))


@cache
def _votes() -> dict[str, list[tuple[int, float]]]:
    """Return for each word which fields it speaks for: much where it stands in one, not at all where it is in many."""
    votes: dict[str, list[tuple[int, float]]] = {}
    for number, field in enumerate(_fields()[:-1]):
        for word, weight in field.hints.items():
            votes.setdefault(word, []).append((number, weight))
    return {
        word: [(number, weight / len(given)) for number, weight in given]
        for word, given in votes.items()
        if len(given) <= _MANY_FIELDS
    }


def pool_columns(
    schema: frozenset[str], question: frozenset[str], rng: Random
) -> tuple[Sequence[PoolColumn], Sequence[PoolColumn]]:
    """Return columns for a table.

    Args:
        schema: Stems of the words of its name and its columns.
        question: Stems of the question's words; they count less.
        rng: Decides between fields that fit as well.

    Returns:
        Columns of the field that fits best, none where none fits; and columns that a table of any field may have.
    """
    *fields, general = _fields()
    votes = _votes()
    fits = [0.0] * len(fields)
    for words, counts in ((schema, 1.0), (question - schema, _QUESTION_WORD)):
        for word in sorted(words):  # floats: the order of a set differs between processes
            for number, weight in votes.get(word, ()):
                fits[number] += counts * weight
    best = max(range(len(fields)), key=lambda at: (fits[at], rng.random()))
    return fields[best].columns if fits[best] >= _FITS else (), general.columns


def pool_size() -> int:
    """Return how many different names the pool has."""
    return len({column.words for field in _fields() for column in field.columns})
