#include "index/layout_search.h"

#include <cstdio>
#include <optional>
#include <utility>

#include "index/layout_choice.h"
#include "index/layout_sample.h"
#include "index/policy_choice.h"

namespace nestor::index {
namespace {

constexpr std::uint32_t kManyLinks = 32, kManyCandidates = 200;
constexpr double kWorthwhile = 0.9;

std::string describe_found(const DefaultPolicy& p) {
  char text[240];
  std::snprintf(text, sizeof text,
                "%.1f %% (95 %% interval %.1f to %.1f) of the 10 neighbours of %u %s are found (wanted %.4g %%)",
                100.0 * static_cast<double>(p.measured_recall), 100.0 * static_cast<double>(p.low),
                100.0 * static_cast<double>(p.high), p.queries,
                p.asked_queries ? "queries" : "rows, each hidden from its own search,",
                100.0 * static_cast<double>(p.wanted_recall));
  return text;
}

std::string describe_choice(const LaidOut& found, std::uint32_t dim) {
  const DefaultPolicy& p = found.policy;
  char depth[120];
  std::snprintf(depth, sizeof depth, " to a distance gap of %.2f and at most %u candidates", static_cast<double>(p.gap),
                p.explore);
  const std::string walks = "walks over " + found.layout.describe(dim) + depth;
  if (p.scans)
    return "searches scan all rows, since by the best of the walks tried, " + walks + ", only " + describe_found(p);
  return "searches are " + walks + ": " + describe_found(p);
}

class LayoutSearch {
 public:
  LayoutSearch(const LayoutSearchInput& input, const RecallQuestions& asked, std::vector<std::string>& notes)
      : input_(input),
        options_(*input.options),
        asked_(asked),
        notes_(notes),
        free_(input.base == nullptr && !input.build->only_as_asked) {}

  LaidOut search() {
    std::vector<Layout> layouts =
        input_.base != nullptr ? std::vector<Layout>{input_.base->layout()} : layouts_to_try(options_);
    if (!free_) layouts.resize(1);
    std::optional<LaidOut> best;
    for (Layout& layout : layouts) {
      std::optional<LaidOut> tried = encode(layout);
      if (!tried) continue;
      if (free_ && !layout.walks_rows && input_.count >= kSampledFrom && !finds_in_sample(*tried)) continue;
      link(*tried);
      const DefaultPolicy policy = tried->policy;
      if (!best || policy.measured_recall > best->policy.measured_recall) best = std::move(tried);
      if (best->policy.reached) break;
      notes_.push_back("not enough: walks over " + layout.describe(options_.dim) + ", " + describe_found(policy));
    }
    best->policy.scans = !best->policy.reached;
    best->policy.choice = describe_choice(*best, options_.dim);
    return *std::move(best);
  }

  // Only one, without a look at a sample.
  LaidOut try_one(const Layout& layout) {
    LaidOut tried = *encode_all(layout);
    link(tried);
    return tried;
  }

 private:
  std::optional<LaidOut> encode_all(const Layout& layout) {
    LaidOut tried;
    tried.layout = layout;
    input_.progress("trying walks over " + layout.describe(options_.dim), 0, 1);
    tried.codes = std::make_unique<CodeBuilder>(code_input(layout));
    return tried;
  }

  // Codes of a layout; none where they put the true neighbours too far down.
  std::optional<LaidOut> encode(const Layout& layout) {
    std::optional<LaidOut> tried = encode_all(layout);
    if (layout.walks_rows || !free_) return tried;
    const CodeDepth depth = probe_codes(*tried->codes, code_input(layout), asked_, input_.copies);
    if (depth.enough) return tried;
    notes_.push_back("not walked: " + describe(depth, layout, options_.dim, asked_.questions.size()));
    return std::nullopt;
  }

  // Whether a sample is found by it; and how many links its graphs need.
  bool finds_in_sample(LaidOut& tried) {
    input_.progress("trying walks over " + tried.layout.describe(options_.dim) + " on a sample", 0, 1);
    if (!sample_) sample_ = std::make_unique<LayoutSample>(input_, asked_);
    std::vector<std::string> notes;
    const LaidOut found = LayoutSearch(sample_->input(), sample_->questions(), notes).try_one(tried.layout);
    const std::string of_sample = "of a sample of " + std::to_string(sample_->input().count) + " rows: ";
    for (const std::string& note : notes) notes_.push_back(of_sample + note);
    tried.layout.graph = found.layout.graph;
    if (found.policy.reached) return true;
    notes_.push_back(of_sample + "not enough: walks over " + tried.layout.describe(options_.dim) + ", " +
                     describe_found(found.policy));
    return false;
  }

  // Graphs, and how deep searches must go by them. Where they must go deep, graphs of more links are tried as well and
  // kept where they reach what the others do not, or by a tenth fewer comparisons.
  void link(LaidOut& tried) {
    build_graphs(tried);
    measure(tried);
    const bool untouched = tried.layout.graph == GraphParameters{.seed = options_.graph.seed};
    const bool chosen_by_sample = sample_ && tried.policy.reached;
    if (!free_ || !untouched || chosen_by_sample || !goes_deep(tried.policy)) return;
    const Layout before = tried.layout;
    const DefaultPolicy policy = tried.policy;
    std::vector<GraphBytes> graphs = std::exchange(tried.graphs, {});
    tried.layout.graph.max_links = kManyLinks;
    tried.layout.graph.candidates_at_build = kManyCandidates;
    build_graphs(tried);
    measure(tried);
    const bool better = policy.reached
                            ? tried.policy.reached && tried.policy.evaluations < kWorthwhile * policy.evaluations
                            : tried.policy.measured_recall > policy.measured_recall;
    char text[160];
    std::snprintf(text, sizeof text,
                  "graphs of %u links and %u candidates at build %s: %.0f comparisons a question instead of %.0f",
                  2 * kManyLinks, kManyCandidates, better ? "are worth it" : "are not worth it",
                  tried.policy.evaluations, policy.evaluations);
    notes_.push_back(text);
    if (better) return;
    tried.layout = before;
    tried.layout_bytes = before.to_bytes();
    tried.policy = policy;
    tried.graphs = std::move(graphs);
  }

  CodeBuildInput code_input(const Layout& layout) const {
    CodeBuildInput input;
    input.rows = input_.rows;
    input.count = input_.count;
    input.options = &options_;
    input.layout = &layout;
    input.rotation = input_.rotation;
    input.threads = input_.threads;
    input.progress = [this](std::uint64_t done) { input_.progress("encoding rows", done, input_.count); };
    return input;
  }

  void build_graphs(LaidOut& tried) {
    for (const std::uint32_t width : tried.layout.graphs) {
      const std::string phase = "building graph " + std::to_string(width);
      HugeBuffer graph_codes;
      GraphBuildInput input;
      input.rows = input_.count;
      input.width = width;
      input.metric = options_.metric;
      input.parameters = tried.layout.graph;
      input.threads = input_.threads;
      input.copies = input_.copies;
      if (tried.layout.walks_rows) {
        input.values = input_.rows;
      } else {
        graph_codes = tried.codes->graph_codes(width);
        input.codes = reinterpret_cast<const std::uint8_t*>(graph_codes.data());
        input.stride = tried.codes->graph_quantizer().code_length(width);
        input.quantizer = &tried.codes->graph_quantizer();
      }
      if (input_.base != nullptr) input.base = &input_.base->graphs()[tried.graphs.size()].graph;
      input.progress = [&](std::uint64_t done) { input_.progress(phase, done, input_.count); };
      tried.graphs.push_back(build_graph(input));
    }
  }

  void measure(LaidOut& tried) {
    input_.progress("choosing the default policy", 0, 1);
    tried.layout_bytes = tried.layout.to_bytes();
    LoadedSections loaded = input_.common;
    const auto own = tried.sections();
    loaded.sections.insert(loaded.sections.end(), own.begin(), own.end());
    const auto generation = Generation::open(loaded, options_);
    tried.policy = choose_policy(*generation, options_, *input_.dead, asked_, input_.wanted_recall, input_.threads);
    tried.policy.folded = input_.base != nullptr;
    input_.progress("choosing the default policy", 1, 1);
  }

  const LayoutSearchInput& input_;
  const CollectionOptions& options_;
  const RecallQuestions& asked_;
  std::vector<std::string>& notes_;
  const bool free_;  // to try others than what was asked for
  std::unique_ptr<LayoutSample> sample_;
};

}  // namespace

std::vector<Section> LaidOut::sections() const {
  std::vector<Section> out = codes->sections();
  out.push_back({"layout", layout_bytes});
  for (std::size_t g = 0; g < graphs.size(); ++g) {
    const std::string name = "graph." + std::to_string(layout.graphs[g]);
    out.push_back({name + ".links", graphs[g].links.bytes()});
    out.push_back({name + ".upper", std::as_bytes(std::span(graphs[g].upper))});
  }
  return out;
}

LaidOut search_layout(const LayoutSearchInput& input, const RecallQuestions& asked, std::vector<std::string>& notes) {
  return LayoutSearch(input, asked, notes).search();
}

}  // namespace nestor::index
