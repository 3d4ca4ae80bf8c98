#include "server/term_selection.h"

#include <algorithm>
#include <charconv>

#include "server/payload_terms.h"

namespace nestor::server {
namespace {

using Step = FieldPath::Step;

bool leads_to_several(const FieldPath& path) {
  return std::any_of(path.steps.begin(), path.steps.end(),
                     [](const Step& step) { return step.kind == FieldPath::Kind::every_element; });
}

struct Field {
  std::uint32_t number = 0;
  IndexKind kind = IndexKind::keyword;
  FieldPath path;
};

class Evaluation {
 public:
  Evaluation(const OpenCollection& target, const storage::TermReader& terms, const SlotBits& live)
      : target_(target), terms_(terms), live_(live) {
    for (const storage::PayloadIndex& each : terms.indexes())
      if (const auto kind = index_kind(each.definition); kind && each.complete)
        fields_.push_back({each.number, *kind, parse_field_path(each.field)});
  }

  Selected filter(const Filter& filter) const {
    Selected all{live_, live_};
    for (const Condition& condition : filter.must) narrow(all, evaluate(condition));
    for (const Condition& condition : filter.must_not) narrow(all, opposite(evaluate(condition)));
    if (!filter.should.empty()) {
      Selected any = nothing();
      for (const Condition& condition : filter.should) widen(any, evaluate(condition));
      narrow(all, any);
    }
    if (filter.min_count > 0) narrow(all, at_least(filter.min_should, filter.min_count));
    return all;
  }

  Selected operator()(const MatchCondition& c) const {
    const Field* field = find(c.key);
    if (!field) return unknown();
    return c.except ? other_than(*field, c.values) : one_of(*field, c.values);
  }
  Selected operator()(const NumberRange& c) const {
    const Field* field = find(c.key);
    if (!field) return unknown();
    Selected found = nothing();
    if (field->kind == IndexKind::integer || field->kind == IndexKind::number)
      add_range(*field, c.bounds, number_term, found.certain);
    found.possible = found.certain;
    if (field->kind != IndexKind::number) add_exact(*field, kOtherTerm, found.possible);
    return found;
  }
  Selected operator()(const DatetimeRange& c) const {
    const Field* field = find(c.key);
    if (!field || field->kind != IndexKind::datetime) return unknown();
    Selected found = nothing();
    add_range(*field, c.bounds, datetime_term, found.certain);
    found.possible = found.certain;
    return found;
  }
  Selected operator()(const ValuesCount& c) const {
    const Field* field = find(c.key);
    // The index counts what stands at a path together.
    if (!field || (c.each_by_itself() && leads_to_several(c.key))) return unknown();
    Selected found = nothing();
    SlotBits counted(live_.size());
    terms_.scan(field->number, kCountTerms, after(std::string(kCountTerms)), [&](std::string_view term, index::Slot slot) {
      std::uint64_t count = 0;
      for (const char byte : term.substr(1)) count = count << 8 | static_cast<unsigned char>(byte);
      add_slot(counted, slot);
      if (c.bounds.hold(count)) add_slot(found.certain, slot);
      return true;
    });
    if (c.bounds.hold(0)) {
      SlotBits none = live_;
      subtract(none, counted);
      unite(found.certain, none);
    }
    found.possible = found.certain;
    return found;
  }
  Selected operator()(const IsEmpty& c) const {
    const Field* field = find(c.key);
    if (!field) return unknown();
    Selected filled = nothing();
    add_all(*field, kCountTerms, filled.certain);
    filled.possible = filled.certain;
    return c.expected ? opposite(filled) : filled;
  }
  Selected operator()(const IsNull& c) const {
    const Field* field = find(c.key);
    if (!field) return unknown();
    Selected null = nothing();
    add_exact(*field, kNullTerm, null.certain);
    null.possible = null.certain;
    return c.expected ? null : opposite(null);
  }
  Selected operator()(const HasId& c) const {
    index::RowChoice choice;
    choice.accepts = [](const index::RowHeader&, std::string_view) { return true; };
    choice.reads_payload = false;
    choice.among.emplace(c.ids.begin(), c.ids.end());
    const index::SelectedSlots chosen = target_->select_slots(choice);
    if (chosen.numbering != terms_.numbering()) return unknown();  // compacted meanwhile
    SlotBits found = chosen;
    found.resize(live_.size());
    return {found, found};
  }
  Selected operator()(const Constant& c) const { return c.value ? Selected{live_, live_} : nothing(); }
  Selected operator()(const SubFilter& c) const { return filter(*c.filter); }
  // One element must meet all of the filter: what each index says of elements bounds what is possible.
  Selected operator()(const NestedCondition& c) const {
    Selected found = unknown();
    for (const Condition& condition : c.filter->must) {
      const auto moved = inside(c.key, condition);
      if (moved) intersect(found.possible, evaluate(*moved).possible);
    }
    return found;
  }

 private:
  Selected evaluate(const Condition& condition) const { return std::visit(*this, condition); }

  Selected nothing() const { return {SlotBits(live_.size()), SlotBits(live_.size())}; }
  Selected unknown() const { return {SlotBits(live_.size()), live_}; }

  static void narrow(Selected& into, const Selected& other) {
    intersect(into.certain, other.certain);
    intersect(into.possible, other.possible);
  }
  static void widen(Selected& into, const Selected& other) {
    unite(into.certain, other.certain);
    unite(into.possible, other.possible);
  }
  Selected opposite(const Selected& of) const {
    Selected out{live_, live_};
    subtract(out.certain, of.possible);
    subtract(out.possible, of.certain);
    return out;
  }

  Selected at_least(const std::vector<Condition>& conditions, std::size_t least) const {
    std::vector<std::uint32_t> certain(live_.size() * 64), possible(live_.size() * 64);
    const auto count = [](const SlotBits& bits, std::vector<std::uint32_t>& counts) {
      for (std::size_t slot = 0; slot < counts.size(); ++slot) counts[slot] += bits[slot / 64] >> (slot % 64) & 1;
    };
    for (const Condition& condition : conditions) {
      const Selected found = evaluate(condition);
      count(found.certain, certain);
      count(found.possible, possible);
    }
    Selected out = nothing();
    for (std::size_t slot = 0; slot < certain.size(); ++slot) {
      if (certain[slot] >= least) add_slot(out.certain, static_cast<index::Slot>(slot));
      if (possible[slot] >= least) add_slot(out.possible, static_cast<index::Slot>(slot));
    }
    return out;
  }

  // ---- terms ----

  const Field* find(const FieldPath& path) const {
    const auto found =
        std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.path == path; });
    return found == fields_.end() ? nullptr : &*found;
  }

  void add_between(const Field& field, std::string_view first, std::string_view last, SlotBits& bits) const {
    terms_.scan(field.number, first, last, [&](std::string_view, index::Slot slot) {
      add_slot(bits, slot);
      return true;
    });
  }
  void add_exact(const Field& field, std::string_view term, SlotBits& bits) const {
    add_between(field, term, after(std::string(term)), bits);
  }
  void add_all(const Field& field, std::string_view kind, SlotBits& bits) const { add_exact(field, kind, bits); }

  template <typename T, typename Term>
  void add_range(const Field& field, const Bounds<T>& bounds, const Term& term, SlotBits& bits) const {
    std::string first(kValueTerms), last = after(std::string(kValueTerms));
    if (bounds.gte) first = std::max(first, term(*bounds.gte));
    if (bounds.gt) first = std::max(first, after(term(*bounds.gt)));
    if (bounds.lte) last = std::min(last, after(term(*bounds.lte)));
    if (bounds.lt) last = std::min(last, term(*bounds.lt));
    if (first < last) add_between(field, first, last, bits);
  }

  // The value terms of a set of scalars: those that say it exactly, and those that rows with it have.
  struct Terms {
    std::vector<std::string> exact, vague;  // vague: the row's payload decides
    bool other = false;                     // and so do rows with the 'o' term
  };

  static Terms terms_of(const Field& field, const ScalarSet& values) {
    Terms terms;
    for (const std::string& text : values.strings) {
      const auto term = text_term(field.kind, text);
      if (!term)
        terms.other = true;
      else
        (field.kind == IndexKind::datetime ? terms.vague : terms.exact).push_back(*term);
    }
    for (const std::string& digits : values.integers) {
      const auto term = integer_term(digits);
      if (field.kind == IndexKind::integer && term) {
        terms.exact.push_back(*term);
      } else if (field.kind == IndexKind::number) {
        long double number = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
        terms.vague.push_back(number_term(number));
      } else {
        terms.other = true;
      }
    }
    for (const bool value : {false, true}) {
      if (!(value ? values.has_true : values.has_false)) continue;
      if (field.kind == IndexKind::boolean)
        terms.exact.push_back(boolean_term(value));
      else
        terms.other = true;
    }
    return terms;
  }

  Selected one_of(const Field& field, const ScalarSet& values) const {
    const Terms terms = terms_of(field, values);
    Selected found = nothing();
    for (const std::string& term : terms.exact) add_exact(field, term, found.certain);
    found.possible = found.certain;
    for (const std::string& term : terms.vague) add_exact(field, term, found.possible);
    if (terms.other) add_exact(field, kOtherTerm, found.possible);
    return found;
  }

  Selected other_than(const Field& field, const ScalarSet& values) const {
    Terms terms = terms_of(field, values);
    std::sort(terms.exact.begin(), terms.exact.end());
    std::sort(terms.vague.begin(), terms.vague.end());
    const auto among = [](const std::vector<std::string>& sorted, std::string_view term) {
      return std::binary_search(sorted.begin(), sorted.end(), term, std::less<>());
    };
    Selected found = nothing();
    terms_.scan(field.number, kValueTerms, after(std::string(kValueTerms)), [&](std::string_view term, index::Slot slot) {
      if (among(terms.exact, term)) return true;
      add_slot(among(terms.vague, term) ? found.possible : found.certain, slot);
      return true;
    });
    add_exact(field, kOtherTerm, found.possible);
    unite(found.possible, found.certain);
    return found;
  }

  // ---- nested ----

  // A condition on elements of the list at `list`, as one on the whole payload that holds wherever an element meets it.
  std::optional<Condition> inside(const FieldPath& list, const Condition& condition) const {
    const auto moved = [&](const auto& c) -> std::optional<Condition> {
      auto copy = c;
      copy.key.steps = list.steps;
      if (copy.key.steps.back().kind != FieldPath::Kind::every_element)
        copy.key.steps.push_back({FieldPath::Kind::every_element, {}, 0});
      copy.key.steps.insert(copy.key.steps.end(), c.key.steps.begin(), c.key.steps.end());
      return copy;
    };
    if (const auto* match = std::get_if<MatchCondition>(&condition); match && !match->except) return moved(*match);
    if (const auto* range = std::get_if<NumberRange>(&condition)) return moved(*range);
    if (const auto* range = std::get_if<DatetimeRange>(&condition)) return moved(*range);
    return std::nullopt;
  }

  const OpenCollection& target_;
  const storage::TermReader& terms_;
  const SlotBits& live_;
  std::vector<Field> fields_;
};

}  // namespace

Selected select_by_terms(const Filter& filter, const OpenCollection& target, const storage::TermReader& terms,
                         const SlotBits& live) {
  return Evaluation(target, terms, live).filter(filter);
}

}  // namespace nestor::server
