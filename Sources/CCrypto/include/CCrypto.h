/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#ifndef BMSD_CCRYPTO_H
#define BMSD_CCRYPTO_H

#include <stdbool.h>
#include <stddef.h>

/* SHA-256 and HMAC-SHA256 by OpenSSL's libcrypto, without its types. */

/* The octets of a digest. */
#define CCRYPTO_SHA256_LENGTH 32

/* Begins a digest; NULL without memory. To be ended by ccrypto_sha256_free. */
void *ccrypto_sha256_new(void);
bool ccrypto_sha256_update(void *context, const void *bytes, size_t length);
/* Writes the digest; afterwards the context only can be freed. */
bool ccrypto_sha256_final(void *context, unsigned char *digest);
void ccrypto_sha256_free(void *context);

/* HMAC-SHA256 (RFC 2104) of `bytes`; false when libcrypto fails. */
bool ccrypto_hmac_sha256(
    const void *key, size_t key_length, const void *bytes, size_t length, unsigned char *digest);

/* Whether two strings of the same length are equal, in a time that does not tell where they differ. */
bool ccrypto_equal(const void *left, const void *right, size_t length);

#endif
