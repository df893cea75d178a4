/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors
 *
 * A milter that does nothing, as the yardstick for those that do something: it takes part in every
 * step and answers each with CONTINUE. Compiled with NO_REPLY it asks the MTA not to wait for any
 * answer before the end of message. Compiled with COPY it also keeps a copy of the body until the
 * message ends, as whoever looks into a message must.
 *
 * Usage: noop unix:/path | inet:port@host */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

#ifdef NO_REPLY
#define ANSWER SMFIS_NOREPLY
#else
#define ANSWER SMFIS_CONTINUE
#endif

static sfsistat on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	(void)context, (void)host, (void)address;
	return ANSWER;
}

static sfsistat on_text(SMFICTX *context, char *text)
{
	(void)context, (void)text;
	return ANSWER;
}

static sfsistat on_envelope(SMFICTX *context, char **arguments)
{
	(void)context, (void)arguments;
	return ANSWER;
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
	(void)context, (void)name, (void)value;
	return ANSWER;
}

static sfsistat on_step(SMFICTX *context)
{
	(void)context;
	return ANSWER;
}

#ifdef COPY
struct copy {
	unsigned char *bytes;
	size_t used, room;
};

static sfsistat on_body(SMFICTX *context, unsigned char *bytes, size_t count)
{
	struct copy *copy = smfi_getpriv(context);

	if (copy == NULL && (copy = calloc(1, sizeof *copy)) != NULL)
		smfi_setpriv(context, copy);
	if (copy == NULL)
		return SMFIS_TEMPFAIL;
	if (copy->used + count > copy->room) {
		size_t room = copy->used + count > 2 * copy->room ? copy->used + count : 2 * copy->room;
		unsigned char *bigger = realloc(copy->bytes, room);

		if (bigger == NULL)
			return SMFIS_TEMPFAIL;
		copy->bytes = bigger;
		copy->room = room;
	}
	memcpy(copy->bytes + copy->used, bytes, count);
	copy->used += count;
	return ANSWER;
}

static void forget(SMFICTX *context)
{
	struct copy *copy = smfi_getpriv(context);

	if (copy == NULL)
		return;
	free(copy->bytes);
	free(copy);
	smfi_setpriv(context, NULL);
}
#else
static sfsistat on_body(SMFICTX *context, unsigned char *bytes, size_t count)
{
	(void)context, (void)bytes, (void)count;
	return ANSWER;
}

static void forget(SMFICTX *context)
{
	(void)context;
}
#endif

static sfsistat on_unknown(SMFICTX *context, const char *command)
{
	(void)context, (void)command;
	return ANSWER;
}

static sfsistat on_end(SMFICTX *context)
{
	forget(context);
	return SMFIS_CONTINUE;
}

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
                             unsigned long offered2, unsigned long offered3,
                             unsigned long *wanted_actions, unsigned long *wanted_steps,
                             unsigned long *wanted2, unsigned long *wanted3)
{
	(void)context, (void)actions, (void)offered2, (void)offered3;
	*wanted_actions = 0;
	*wanted_steps = 0;
#ifdef NO_REPLY
	*wanted_steps = steps & (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT
		| SMFIP_NR_DATA | SMFIP_NR_UNKN | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY);
#else
	(void)steps;
#endif
	*wanted2 = 0;
	*wanted3 = 0;
	return SMFIS_CONTINUE;
}

int main(int count, char **arguments)
{
	struct smfiDesc description = {
		.xxfi_name = "noop",
		.xxfi_version = SMFI_VERSION,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_text,
		.xxfi_envfrom = on_envelope,
		.xxfi_envrcpt = on_envelope,
		.xxfi_header = on_header,
		.xxfi_eoh = on_step,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_end,
		.xxfi_close = on_end,
		.xxfi_unknown = on_unknown,
		.xxfi_data = on_step,
		.xxfi_negotiate = on_negotiate,
	};

	if (count != 2) {
		fprintf(stderr, "usage: %s unix:/path | inet:port@host\n", arguments[0]);
		return 64;
	}
	if (smfi_setconn(arguments[1]) != MI_SUCCESS || smfi_register(description) != MI_SUCCESS
		|| smfi_opensocket(1) != MI_SUCCESS) {
		fprintf(stderr, "%s: cannot listen on %s\n", arguments[0], arguments[1]);
		return 1;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
