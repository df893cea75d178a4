/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#include "CCrypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

void *ccrypto_sha256_new(void) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
    EVP_MD_CTX_free(context);
    return NULL;
  }
  return context;
}

bool ccrypto_sha256_update(void *context, const void *bytes, size_t length) {
  return EVP_DigestUpdate(context, bytes, length) == 1;
}

bool ccrypto_sha256_final(void *context, unsigned char *digest) {
  unsigned int length = 0;
  return EVP_DigestFinal_ex(context, digest, &length) == 1 && length == CCRYPTO_SHA256_LENGTH;
}

void ccrypto_sha256_free(void *context) { EVP_MD_CTX_free(context); }

bool ccrypto_hmac_sha256(
    const void *key, size_t key_length, const void *bytes, size_t length, unsigned char *digest) {
  unsigned int written = 0;
  if (key_length > INT_MAX) return false;
  return HMAC(EVP_sha256(), key, (int)key_length, bytes, length, digest, &written) != NULL &&
      written == CCRYPTO_SHA256_LENGTH;
}

bool ccrypto_equal(const void *left, const void *right, size_t length) {
  return CRYPTO_memcmp(left, right, length) == 0;
}
