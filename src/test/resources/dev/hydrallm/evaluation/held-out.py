"""Small tools for keeping a lending library: books, members, loans and reports."""

import argparse
import json
import logging
import sys
import unittest
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

logger = logging.getLogger(__name__)

LOAN_DAYS = 21
FINE_PER_DAY = 0.25
MAX_LOANS = 5


class LibraryError(Exception):
    """Raised when a request cannot be fulfilled."""


@dataclass
class Book:
    """A book with one or more copies on the shelf."""

    isbn: str
    title: str
    authors: list
    year: int
    copies: int = 1

    def __post_init__(self):
        if self.copies < 0:
            raise ValueError("copies must not be negative")
        self.isbn = self.isbn.replace("-", "")

    def is_available(self):
        return self.copies > 0

    def __str__(self):
        return "{} ({}) by {}".format(self.title, self.year, ", ".join(self.authors))


@dataclass
class Member:
    name: str
    email: str
    joined: date = field(default_factory=date.today)
    loans: list = field(default_factory=list)
    fines: float = 0.0

    @property
    def can_borrow(self):
        return len(self.loans) < MAX_LOANS and self.fines == 0


@dataclass(frozen=True)
class Loan:
    isbn: str
    member: str
    start: date

    @property
    def due(self):
        return self.start + timedelta(days=LOAN_DAYS)

    def days_late(self, today):
        """Return the number of days after the due date, or zero."""
        return max(0, (today - self.due).days)


class Library:
    def __init__(self, name):
        self.name = name
        self.books = {}
        self.members = {}
        self.waiting = defaultdict(deque)

    def add_book(self, book):
        existing = self.books.get(book.isbn)
        if existing is None:
            self.books[book.isbn] = book
        else:
            existing.copies += book.copies
        logger.debug("added %s", book)
        return self.books[book.isbn]

    def add_member(self, name, email):
        if email in self.members:
            raise LibraryError("a member with the email {} exists".format(email))
        member = Member(name, email)
        self.members[email] = member
        return member

    def find(self, text):
        """Return all books whose title or authors contain the text."""
        text = text.lower()
        result = []
        for book in self.books.values():
            if text in book.title.lower():
                result.append(book)
            elif any(text in author.lower() for author in book.authors):
                result.append(book)
        return sorted(result, key=lambda book: book.title)

    def lend(self, isbn, email, today=None):
        today = today or date.today()
        book = self._get_book(isbn)
        member = self._get_member(email)
        if not member.can_borrow:
            raise LibraryError("{} cannot borrow any more books".format(member.name))
        if not book.is_available():
            self.waiting[book.isbn].append(email)
            position = len(self.waiting[book.isbn])
            raise LibraryError("no copy left, position {} in the queue".format(position))
        book.copies -= 1
        loan = Loan(book.isbn, email, today)
        member.loans.append(loan)
        return loan

    def take_back(self, loan, today=None):
        today = today or date.today()
        member = self._get_member(loan.member)
        if loan not in member.loans:
            raise LibraryError("this book was not lent to {}".format(member.name))
        member.loans.remove(loan)
        member.fines += loan.days_late(today) * FINE_PER_DAY
        self.books[loan.isbn].copies += 1
        queue = self.waiting[loan.isbn]
        if queue:
            next_email = queue.popleft()
            logger.info("book %s is ready for %s", loan.isbn, next_email)
            return next_email
        return None

    def pay(self, email, amount):
        if amount <= 0:
            raise ValueError("amount must be positive")
        member = self._get_member(email)
        paid = min(amount, member.fines)
        member.fines -= paid
        return amount - paid

    def overdue(self, today):
        for member in self.members.values():
            for loan in member.loans:
                if loan.days_late(today) > 0:
                    yield member, loan

    def _get_book(self, isbn):
        try:
            return self.books[isbn.replace("-", "")]
        except KeyError:
            raise LibraryError("unknown book: {}".format(isbn))

    def _get_member(self, email):
        if email not in self.members:
            raise LibraryError("unknown member: {}".format(email))
        return self.members[email]


def parse_line(line):
    """Parse one line of a catalogue: isbn; title; author, author; year; copies."""
    parts = [part.strip() for part in line.split(";")]
    if len(parts) not in (4, 5):
        raise ValueError("expected 4 or 5 fields, got {}".format(len(parts)))
    isbn, title, authors, year = parts[:4]
    copies = int(parts[4]) if len(parts) == 5 else 1
    names = [name.strip() for name in authors.split(",") if name.strip()]
    return Book(isbn, title, names, int(year), copies)


def read_catalogue(path, encoding="utf-8"):
    """Read a catalogue file and skip comments and empty lines."""
    books = []
    errors = []
    with open(path, encoding=encoding) as f:
        for number, line in enumerate(f, start=1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            try:
                books.append(parse_line(line))
            except ValueError as e:
                errors.append((number, str(e)))
    return books, errors


def save(library, path):
    data = {
        "name": library.name,
        "books": [vars(book) for book in library.books.values()],
        "members": [
            {"name": member.name, "email": member.email, "fines": member.fines}
            for member in library.members.values()
        ],
    }
    path = Path(path)
    temporary = path.with_suffix(".tmp")
    with open(temporary, "w") as f:
        json.dump(data, f, indent=2, sort_keys=True)
    temporary.rename(path)


def load(path):
    with open(path) as f:
        data = json.load(f)
    library = Library(data["name"])
    for values in data["books"]:
        library.add_book(Book(**values))
    for values in data["members"]:
        member = library.add_member(values["name"], values["email"])
        member.fines = values.get("fines", 0.0)
    return library


def moving_average(values, size):
    """Return the averages of every window of the given size."""
    if size < 1:
        raise ValueError("size must be at least 1")
    window = deque()
    total = 0
    averages = []
    for value in values:
        window.append(value)
        total += value
        if len(window) > size:
            total -= window.popleft()
        if len(window) == size:
            averages.append(total / size)
    return averages


def loans_per_month(loans):
    counts = [0] * 12
    for loan in loans:
        counts[loan.start.month - 1] += 1
    return counts


def format_table(rows, headers):
    widths = [len(header) for header in headers]
    for row in rows:
        for i, cell in enumerate(row):
            widths[i] = max(widths[i], len(str(cell)))
    lines = []
    lines.append("  ".join(header.ljust(widths[i]) for i, header in enumerate(headers)))
    lines.append("  ".join("-" * width for width in widths))
    for row in rows:
        lines.append("  ".join(str(cell).ljust(widths[i]) for i, cell in enumerate(row)))
    return "\n".join(lines)


class TestLibrary(unittest.TestCase):
    def setUp(self):
        self.library = Library("Main Street")
        self.book = self.library.add_book(Book("978-0-00", "Gardens", ["Ann Lee"], 1998))
        self.library.add_member("Bob", "bob@example.com")
        self.library.add_member("Eve", "eve@example.com")
        self.today = date(2020, 3, 1)

    def test_lend_takes_a_copy(self):
        loan = self.library.lend("978-0-00", "bob@example.com", self.today)
        self.assertEqual(loan.due, date(2020, 3, 22))
        self.assertFalse(self.book.is_available())

    def test_second_member_waits(self):
        loan = self.library.lend("978-0-00", "bob@example.com", self.today)
        with self.assertRaises(LibraryError):
            self.library.lend("978-0-00", "eve@example.com", self.today)
        self.assertEqual(self.library.take_back(loan, self.today), "eve@example.com")

    def test_late_return_costs_a_fine(self):
        loan = self.library.lend("978-0-00", "bob@example.com", self.today)
        self.library.take_back(loan, self.today + timedelta(days=LOAN_DAYS + 4))
        self.assertEqual(self.library.members["bob@example.com"].fines, 1.0)
        self.assertEqual(self.library.pay("bob@example.com", 3), 2)

    def test_find_ignores_case(self):
        self.assertEqual(self.library.find("GARDEN"), [self.book])
        self.assertEqual(self.library.find("lee"), [self.book])
        self.assertEqual(self.library.find("nothing"), [])

    def test_parse_line(self):
        book = parse_line("1-2; Stars; A. Moon, B. Sun; 2001; 3")
        self.assertEqual(book.isbn, "12")
        self.assertEqual(book.authors, ["A. Moon", "B. Sun"])
        self.assertEqual(book.copies, 3)
        self.assertRaises(ValueError, parse_line, "only; two")

    def test_moving_average(self):
        self.assertEqual(moving_average([1, 2, 3, 4], 2), [1.5, 2.5, 3.5])
        self.assertEqual(moving_average([], 3), [])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", help="the catalogue to read")
    parser.add_argument("--find", help="show the books that contain this text")
    parser.add_argument("-v", "--verbose", action="store_true", help="print more messages")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if args.verbose else logging.INFO)
    books, errors = read_catalogue(args.catalogue)
    for number, message in errors:
        print("line {}: {}".format(number, message), file=sys.stderr)
    library = Library("default")
    for book in books:
        library.add_book(book)
    found = library.find(args.find or "")
    print(format_table([(book.title, book.year, book.copies) for book in found], ["title", "year", "copies"]))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
