/*
 * A FIDO middleware library that misbehaves as SK_TEST_MODE says. Built by
 * the tests that need it; the interface is that of PROTOCOL.u2f.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct enrolled {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct signed_ {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

struct resident {
	uint32_t alg;
	size_t slot;
	char *application;
	struct enrolled key;
	uint8_t flags;
	uint8_t *user_id;
	size_t user_id_len;
};

struct option {
	char *name;
	char *value;
	uint8_t required;
};

typedef int enroll_fn(uint32_t, const uint8_t *, size_t, const char *, uint8_t,
    const char *, struct option **, struct enrolled **);
typedef int sign_fn(uint32_t, const uint8_t *, size_t, const char *,
    const uint8_t *, size_t, uint8_t, const char *, struct option **,
    struct signed_ **);

static int
is(const char *mode)
{
	const char *set = getenv("SK_TEST_MODE");

	return set != NULL && strcmp(set, mode) == 0;
}

/* The function of that name in the library that SK_TEST_BACKEND names. */
static void *
backend(const char *name)
{
	const char *path = getenv("SK_TEST_BACKEND");
	void *library = path == NULL ? NULL : dlopen(path, RTLD_NOW);

	return library == NULL ? NULL : dlsym(library, name);
}

static uint8_t *
bytes(size_t len, uint8_t value)
{
	uint8_t *made = malloc(len);

	if (made == NULL)
		abort();
	memset(made, value, len);
	return made;
}

static void
misbehave(void)
{
	if (is("crash"))
		*(volatile int *)8 = 1;
	while (is("hang"))
		pause();
	if (is("exit"))
		_exit(0);
}

__attribute__((constructor)) static void
loaded(void)
{
	if (is("crash-loading"))
		*(volatile int *)8 = 1;
}

uint32_t
sk_api_version(void)
{
	return is("old") ? 0x00090000 : 0x000a0000;
}

/* Whether the PIN is the right one, or none is asked for. */
static int
unlocked(const char *pin)
{
	return getenv("SK_TEST_PIN") == NULL ||
	    (pin != NULL && strcmp(pin, getenv("SK_TEST_PIN")) == 0);
}

static int
failure(void)
{
	return is("fail") ? atoi(getenv("SK_TEST_FAILURE")) : 0;
}

int
sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len,
    const char *application, uint8_t flags, const char *pin,
    struct option **options, struct enrolled **response)
{
	enroll_fn *forward = (enroll_fn *)backend("sk_enroll");
	struct enrolled *made;

	misbehave();
	if (failure() != 0)
		return failure();
	/* A key of that name is there, unless it is to be replaced. */
	if (is("exists") && (flags & 0x10) == 0)
		return -5;
	if (!unlocked(pin))
		return -3;
	*response = NULL;
	if (is("null"))
		return 0;
	if (forward != NULL)
		return forward(alg, challenge, challenge_len, application, flags,
		    pin, options, response);
	made = calloc(1, sizeof(*made));
	made->flags = flags;
	made->public_key_len = is("short") ? 31 : (alg == 0 ? 65 : 32);
	made->public_key = bytes(made->public_key_len, 4);
	made->key_handle_len = is("no-handle") ? 0 : 20;
	made->key_handle = bytes(20, 7);
	if (is("huge"))
		made->key_handle_len = SIZE_MAX / 2;
	*response = made;
	return 0;
}

int
sk_sign(uint32_t alg, const uint8_t *data, size_t data_len,
    const char *application, const uint8_t *key_handle, size_t key_handle_len,
    uint8_t flags, const char *pin, struct option **options,
    struct signed_ **response)
{
	sign_fn *forward = (sign_fn *)backend("sk_sign");
	struct signed_ *made;

	misbehave();
	if (failure() != 0)
		return failure();
	if (!unlocked(pin))
		return -3;
	*response = NULL;
	if (is("null"))
		return 0;
	if (forward != NULL && !is("lie"))
		return forward(alg, data, data_len, application, key_handle,
		    key_handle_len, flags, pin, options, response);
	made = calloc(1, sizeof(*made));
	made->flags = flags;
	made->counter = 7;
	made->sig_r_len = is("huge") ? SIZE_MAX / 2 : (alg == 0 ? 32 : 64);
	made->sig_r = bytes(64, 1);
	made->sig_s_len = 32;
	made->sig_s = bytes(32, 2);
	*response = made;
	return 0;
}

int
sk_load_resident_keys(const char *pin, struct option **options,
    struct resident ***keys, size_t *count)
{
	static const char *const applications[] = { "ssh:", "ssh:work", "web.example" };
	struct resident **list;
	size_t i;

	(void)options;
	misbehave();
	if (failure() != 0)
		return failure();
	if (!unlocked(pin))
		return -3;
	*keys = NULL;
	*count = is("null") ? 3 : 0;
	if (is("null") || is("empty"))
		return 0;
	list = calloc(3, sizeof(*list));
	for (i = 0; i < 3; i++) {
		struct resident *key = calloc(1, sizeof(*key));

		key->alg = 1;
		key->slot = i;
		key->application = strdup(applications[i]);
		key->key.public_key_len = 32;
		key->key.public_key = bytes(32, (uint8_t)(i + 1));
		key->key.key_handle_len = 16;
		key->key.key_handle = bytes(16, (uint8_t)(i + 0x10));
		key->flags = i == 1 ? 0x04 : 0;
		key->user_id_len = i == 1 ? 4 : 32;
		key->user_id = bytes(key->user_id_len, i == 1 ? 'u' : 0);
		list[i] = key;
	}
	*keys = list;
	*count = is("huge") ? SIZE_MAX / 2 : 3;
	return 0;
}
