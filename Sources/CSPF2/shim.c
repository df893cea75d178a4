/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#include "CSPF2.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <spf2/spf.h>
#include <spf2/spf_dns.h>
#include <spf2/spf_dns_rr.h>
#include <spf2/spf_log.h>

/* More records of one name are not handed over. */
#define MOST_RECORDS 512

/* Records as they came: the library is not called while the caller's frames are on the stack. */
struct cspf2_answer {
	int count;
	struct {
		size_t length;
		unsigned char *bytes;
	} records[MOST_RECORDS];
};

struct question {
	cspf2_fetch fetch;
	void *context;
};

/* Where a failed assertion goes on; set only during a check. No frame of Swift is on the stack
 * between it and the library's error handler. */
static _Thread_local jmp_buf *escape;

static void fail(const char *file, int line, const char *text)
	__attribute__((noreturn));

static void fail(const char *file, int line, const char *text)
{
	(void)file;
	(void)line;
	(void)text;
	if (escape)
		longjmp(*escape, 1);
	__builtin_trap();
}

static void ignore(const char *file, int line, const char *text)
{
	(void)file;
	(void)line;
	(void)text;
}

static void set_handlers(void)
{
	SPF_error_handler = fail;
	SPF_warning_handler = ignore;
	SPF_info_handler = ignore;
	SPF_debug_handler = ignore;
}

void cspf2_add(cspf2_answer *answer, const void *bytes, size_t length)
{
	unsigned char *copy;

	if (answer->count >= MOST_RECORDS || !(copy = malloc(length + 1)))
		return;
	if (length)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	answer->records[answer->count].bytes = copy;
	answer->records[answer->count].length = length;
	answer->count++;
}

/* Moves the records to the library's own structure. */
static void hand_over(cspf2_answer *answer, SPF_dns_rr_t *rr)
{
	int index;

	for (index = 0; index < answer->count; index++) {
		size_t size = answer->records[index].length + 1;

		/* The union is never smaller than an address. */
		if (size < sizeof(struct in6_addr))
			size = sizeof(struct in6_addr);
		if (SPF_dns_rr_buf_realloc(rr, index, size) != SPF_E_SUCCESS)
			fail(__FILE__, __LINE__, "out of memory");
		memset(rr->rr[index], 0, size);
		memcpy(rr->rr[index], answer->records[index].bytes, answer->records[index].length);
		rr->num_rr = index + 1;
		free(answer->records[index].bytes);
	}
}

static SPF_dns_rr_t *lookup(SPF_dns_server_t *server, const char *name, ns_type type, int cache)
{
	struct question *question = server->hook;
	cspf2_answer answer = {0};
	SPF_dns_stat_t status = NETDB_SUCCESS;
	SPF_dns_rr_t *rr;

	(void)cache;
	switch (question->fetch(question->context, name, type, &answer)) {
	case CSPF2_FOUND: break;
	case CSPF2_NO_DATA: status = NO_DATA; break;
	case CSPF2_NO_NAME: status = HOST_NOT_FOUND; break;
	case CSPF2_FAILURE: status = TRY_AGAIN; break;
	}
	rr = SPF_dns_rr_new_init(server, name, type, 0, status);
	if (!rr)
		fail(__FILE__, __LINE__, "out of memory");
	hand_over(&answer, rr);
	return rr;
}

/* Explanations of 1.2.10 overrun the stack (CVE-2023-42118): there is none. */
static SPF_errcode_t no_explanation(SPF_server_t *server, const char *domain, char **buffer,
                                    size_t *length)
{
	(void)server;
	(void)domain;
	(void)buffer;
	(void)length;
	return SPF_E_SUCCESS;
}

static enum cspf2_result result_of(SPF_response_t *response, SPF_errcode_t error)
{
	switch (response ? SPF_response_result(response) : SPF_RESULT_INVALID) {
	case SPF_RESULT_NEUTRAL: return CSPF2_NEUTRAL;
	case SPF_RESULT_PASS: return CSPF2_PASS;
	case SPF_RESULT_FAIL: return CSPF2_FAIL;
	case SPF_RESULT_SOFTFAIL: return CSPF2_SOFTFAIL;
	case SPF_RESULT_TEMPERROR: return CSPF2_TEMPERROR;
	case SPF_RESULT_PERMERROR: return CSPF2_PERMERROR;
	case SPF_RESULT_NONE: return CSPF2_NONE;
	case SPF_RESULT_INVALID: break;
	}
	/* A record that cannot be read leaves the result unset. */
	switch (error) {
	case SPF_E_DNS_ERROR: return CSPF2_TEMPERROR;
	case SPF_E_NO_MEMORY: return CSPF2_BROKEN;
	default: return CSPF2_PERMERROR;
	}
}

static void copy_problem(SPF_response_t *response, char *problem, size_t size)
{
	int index;

	for (index = 0; response && index < SPF_response_messages(response); index++) {
		SPF_error_t *error = SPF_response_message(response, index);
		const char *text = SPF_error_errorp(error) ? SPF_error_message(error) : NULL;

		if (text) {
			strncpy(problem, text, size - 1);
			problem[size - 1] = '\0';
			return;
		}
	}
}

enum cspf2_result cspf2_check(const char *client, bool is_ipv4, const char *helo,
                              const char *sender, const char *receiver, cspf2_fetch fetch,
                              void *context, char *problem, size_t problem_size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct question question = {fetch, context};
	SPF_dns_server_t dns = {
		.lookup = lookup, .get_exp = no_explanation, .name = "bmsd", .hook = &question,
	};
	SPF_server_t *volatile server = NULL;
	SPF_request_t *volatile request = NULL;
	SPF_response_t *volatile response = NULL;
	volatile enum cspf2_result result = CSPF2_BROKEN;
	jmp_buf broken;

	problem[0] = '\0';
	pthread_once(&once, set_handlers);
	escape = &broken;
	/* What the library held when an assertion of its own failed may be half made: it is left. */
	if (setjmp(broken) == 0) {
		SPF_response_t *made = NULL;
		SPF_errcode_t error;

		server = SPF_server_new_dns(&dns, 0);
		request = server ? SPF_request_new(server) : NULL;
		if (request) {
			SPF_server_set_rec_dom(server, receiver);
			error = is_ipv4 ? SPF_request_set_ipv4_str(request, client)
			                : SPF_request_set_ipv6_str(request, client);
			if (error == SPF_E_SUCCESS && SPF_request_set_helo_dom(request, helo) == 0 &&
			    SPF_request_set_env_from(request, sender) == 0) {
				error = SPF_request_query_mailfrom(request, &made);
				response = made;
				result = result_of(response, error);
				copy_problem(response, problem, problem_size);
			}
		}
		if (response)
			SPF_response_free(response);
		if (request)
			SPF_request_free(request);
		if (server)
			SPF_server_free(server);
	} else {
		result = CSPF2_BROKEN;
	}
	escape = NULL;
	return result;
}
