// SPDX-License-Identifier: Apache-2.0
#include "cli/format/inspect.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "cli/format/typed.h"
#include "cli/output.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

/// Docker's status for a format that is no template.
constexpr int kBadFormat = 64;

/// encoding/json's Indent, which keeps the text's own escapes.
std::string indented(std::string_view text) {
    std::string out;
    size_t depth = 0;
    auto new_line = [&] { (out += '\n').append(depth * 4, ' '); };
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '"') {
            size_t end = i + 1;
            while (text[end] != '"') end += text[end] == '\\' ? 2 : 1;
            out += text.substr(i, end + 1 - i);
            i = end;
        } else if ((c == '{' || c == '[') && (text[i + 1] == '}' || text[i + 1] == ']')) {
            (out += c) += text[++i];
        } else if (c == '{' || c == '[') {
            out += c;
            ++depth;
            new_line();
        } else if (c == '}' || c == ']') {
            --depth;
            new_line();
            out += c;
        } else {
            out += c;
            if (c == ',') new_line();
            if (c == ':') out += ' ';
        }
    }
    return out;
}

/// As Go writes JSON that may stand in a page.
std::string escape_html(std::string_view text) {
    std::string escaped;
    for (char c : text)
        if (c == '<' || c == '>' || c == '&')
            escaped += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            escaped += c;
    return escaped;
}

tmpl::Value structure_of(const Inspected& found) {
    return found.structure ? *found.structure : typed(found.object, found.type);
}

class Inspector {
  public:
    explicit Inspector(std::string_view format) : is_json_(format == "json") {
        if (!format.empty() && !is_json_) template_ = parse_format(format);
    }

    void add(Inspected found) {
        if (!template_ && found.is_typed_only) {
            (structures_ += structures_.empty() ? "" : ",") += escape_html(structure_of(found).json());
            return;
        }
        if (!template_) {
            objects_.push_back(std::move(found.object));
            return;
        }
        text_ += with_context("template parsing error", [&] { return applied(found); });
        text_ += '\n';
    }

    std::string text() {
        if (template_) return text_.empty() ? "\n" : std::move(text_);
        if (!structures_.empty()) {
            std::string all = "[" + structures_ + "]";
            return (is_json_ ? all : indented(all)) + '\n';
        }
        json::Value all(std::move(objects_));
        return (is_json_ ? json::print(all) : json::print_indented(all, "    ")) + '\n';
    }

  private:
    std::string applied(const Inspected& found) {
        try {
            return template_->run(structure_of(found), {.missing_key_is_error = is_strict_});
        } catch (const Error&) {
            if (found.is_typed_only) throw;
            // An option of the template: it holds for all names after this one too.
            is_strict_ = true;
        }
        return template_->run(tmpl::Value::from_json(found.object, true), {.missing_key_is_error = true});
    }

    const bool is_json_;
    bool is_strict_ = false;
    std::optional<tmpl::Template> template_;
    json::Array objects_;
    std::string text_, structures_;
};

}  // namespace

tmpl::Template parse_format(std::string_view format, std::string_view name) {
    try {
        return tmpl::Template::parse(format == "json" ? "{{json .}}" : format, name);
    } catch (const Error& error) {
        throw ExitStatus{kBadFormat, std::string("template parsing error: ") + error.what()};
    }
}

int inspect(std::string_view format, std::span<const std::string> names,
            const std::function<Inspected(const std::string& name)>& find) {
    Inspector inspector(format);
    std::vector<std::string> failures;
    for (const std::string& name : names) {
        try {
            inspector.add(find(name));
        } catch (const Error& error) {
            failures.push_back(error_line(error));
        }
    }
    print_out(inspector.text());
    if (!failures.empty()) throw ExitStatus{1, join(failures, "\n")};
    return 0;
}

int inspect(std::string_view format, std::span<const std::string> names, std::string_view type,
            const std::function<json::Value(const std::string& name)>& find) {
    return inspect(format, names, std::function<Inspected(const std::string&)>([&](const std::string& name) {
                       return Inspected{find(name), type, type == "volume.Volume"};
                   }));
}

int inspect(std::string_view format, std::span<const std::string> names,
            const std::function<json::Value(const std::string& name)>& find) {
    return inspect(format, names, std::string_view(), find);
}

}  // namespace berth::cli
