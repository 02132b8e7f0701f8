// SPDX-License-Identifier: Apache-2.0
#include "base/decimal.h"

namespace berth {

std::optional<double> take_decimal(std::string_view& text) {
    double value = 0, place = 1;
    bool any = false, fraction = false;
    size_t length = 0;
    for (; length < text.size(); ++length) {
        char c = text[length];
        if (c == '.' && !fraction) {
            fraction = true;
        } else if (c >= '0' && c <= '9') {
            any = true;
            value = value * 10 + (c - '0');
            if (fraction) place *= 10;
        } else {
            break;
        }
    }
    if (!any) return std::nullopt;
    text.remove_prefix(length);
    return value / place;
}

}  // namespace berth
