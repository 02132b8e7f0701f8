// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/session.h"
#include "client/context_store.h"

/// The commands of `berth context`, and what they share.
namespace berth::cli {

extern const Command kContextCreateCommand, kContextExportCommand, kContextImportCommand,
    kContextInspectCommand, kContextLsCommand, kContextRmCommand, kContextShowCommand, kContextUpdateCommand,
    kContextUseCommand;

inline constexpr std::string_view kDefaultDescription = "Current DOCKER_HOST based configuration";

/// A context with its certificates.
struct WholeContext {
    client::ContextStore::Context context;
    client::ContextStore::Files tls;
};

client::ContextStore context_store(Session& session);
/// The name of the context that counts, also of one that isn't there.
std::string current_context(Session& session);
/// What the environment and the global flags say, as the context "default".
WholeContext default_context(Session& session);
/// Throws not_found.
WholeContext read_context(Session& session, std::string_view name);
/// The name can be that of a new context: valid and not taken.
void check_new_context(const client::ContextStore& store, std::string_view name);
/// On stdout the name, on stderr "Successfully created context "x"".
void print_done(std::string_view verb, std::string_view name);

/// --docker of create and update, whose values are "name=value,name=value".
void check_docker_flag(std::string_view value);
inline constexpr Flag kDockerEndpointFlag = {
    .name = "docker",
    .kind = Flag::Kind::list,
    .usage = "set the docker endpoint",
    .type = "stringToString",
    .default_text = "[]",
    .check = check_docker_flag,
};
inline constexpr Flag kContextDescriptionFlag = {.name = "description",
                                                 .usage = "Description of the context"};
/// What the help of create and update says: `Word` is the verb at the start of a sentence.
#define BERTH_CONTEXT_HELP(Word, word)                                              \
    Word " a context\n"                                                             \
         "\n"                                                                       \
         "Docker endpoint config:\n"                                                \
         "\n"                                                                       \
         "NAME                DESCRIPTION\n"                                        \
         "from                Copy named context's Docker endpoint configuration\n" \
         "host                Docker endpoint on which to connect\n"                \
         "ca                  Trust certs signed only by this CA\n"                 \
         "cert                Path to TLS certificate file\n"                       \
         "key                 Path to TLS key file\n"                               \
         "skip-tls-verify     Skip TLS certificate validation\n"                    \
         "\n"                                                                       \
         "Example:\n"                                                               \
         "\n"                                                                       \
         "$ docker context " word                                                   \
         " my-context --description \"some description\" --docker "                 \
         "\"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\""

/// The endpoint "docker" and its certificates that --docker describes. Throws in docker's words.
WholeContext parse_docker_flag(Session& session, const std::vector<std::string>& values);

}  // namespace berth::cli
