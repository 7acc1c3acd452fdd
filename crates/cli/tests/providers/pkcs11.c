/*
 * A PKCS#11 module with one Ed25519 key that misbehaves as P11_TEST_MODE
 * says. Built by the tests that need it. Numbers and order are those of
 * PKCS#11 2.40; all else of the interface is left out.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong_;

#define OK 0UL
#define PUBLIC_KEY 2UL
#define PRIVATE_KEY 3UL
#define CONTEXT_SPECIFIC 2UL

struct attribute {
	ulong_ type;
	void *value;
	ulong_ len;
};

struct token_info {
	char label[32], maker[32], model[16], serial[16];
	ulong_ flags, limits[10];
	unsigned char versions[4];
	char time[16];
};

struct list {
	unsigned char version[2];
	void *call[68];
};

/*
 * The class that is looked for, whether the PIN was given, whether a signature
 * has begun and the PIN was given for it.
 */
static ulong_ wanted;
static int unlocked, begun, allowed;

static int
is(const char *mode)
{
	const char *set = getenv("P11_TEST_MODE");

	return set != NULL && strcmp(set, mode) == 0;
}

static ulong_
initialize(void *args)
{
	(void)args;
	if (is("crash"))
		*(volatile int *)8 = 1;
	while (is("hang"))
		pause();
	return is("fail") ? 5UL : OK;
}

static ulong_
slots(unsigned char present, ulong_ *list, ulong_ *count)
{
	(void)present;
	if (list != NULL)
		list[0] = 0;
	*count = 1;
	return OK;
}

static ulong_
token(ulong_ slot, struct token_info *info)
{
	(void)slot;
	memset(info, 0, sizeof(*info));
	memset(info->label, ' ', sizeof(info->label));
	memcpy(info->label, "test", 4);
	/* CKF_TOKEN_INITIALIZED, and CKF_LOGIN_REQUIRED where it is locked. */
	info->flags = 0x400UL | (is("locked") || is("each-time") ? 4UL : 0UL);
	return OK;
}

static ulong_
open_session(ulong_ slot, ulong_ flags, void *app, void *notify, ulong_ *session)
{
	(void)slot, (void)flags, (void)app, (void)notify;
	*session = 1;
	return OK;
}

static ulong_
close_session(ulong_ session)
{
	(void)session;
	return OK;
}

static ulong_
login(ulong_ session, ulong_ user, const char *pin, ulong_ len)
{
	int right = len == 4 && memcmp(pin, "1234", 4) == 0;

	(void)session;
	if (user == CONTEXT_SPECIFIC) {
		if (!begun)
			return 0x91UL;
		allowed = right;
	} else
		unlocked = right;
	return right ? OK : 0xa0UL;
}

static ulong_
find_begin(ulong_ session, struct attribute *template, ulong_ count)
{
	ulong_ i;

	(void)session;
	wanted = 0;
	for (i = 0; i < count; i++)
		if (template[i].type == 0)
			wanted = *(ulong_ *)template[i].value;
	return OK;
}

static ulong_
find(ulong_ session, ulong_ *objects, ulong_ max, ulong_ *count)
{
	(void)session;
	*count = 0;
	if (max > 0 && (wanted == PUBLIC_KEY || wanted == PRIVATE_KEY)) {
		objects[0] = wanted;
		*count = 1;
	}
	wanted = 0;
	return OK;
}

static ulong_
attributes(ulong_ session, ulong_ object, struct attribute *template, ulong_ count)
{
	static const unsigned char params[] = "\x13\x0c" "edwards25519";
	static unsigned char point[34] = { 4, 32, 7, 7, 7 };
	static const ulong_ edwards = 0x40;
	static unsigned char always;
	ulong_ i;

	(void)session, (void)object;
	for (i = 0; i < count; i++) {
		const void *from = NULL;
		ulong_ len = 0;

		switch (template[i].type) {
		case 0x003: from = "label"; len = 5; break;
		case 0x100: from = &edwards; len = sizeof(edwards); break;
		case 0x102: from = "\x01"; len = 1; break;
		case 0x180: from = params; len = sizeof(params) - 1; break;
		case 0x202:
			always = is("each-time");
			from = &always;
			len = 1;
			break;
		case 0x181: from = point; len = sizeof(point); break;
		default: break;
		}
		if (from == NULL) {
			template[i].len = (ulong_)-1;
			continue;
		}
		if (is("huge"))
			len = (ulong_)-1 / 4;
		if (template[i].value != NULL && template[i].len >= len)
			memcpy(template[i].value, from, len);
		template[i].len = len;
	}
	return OK;
}

static ulong_
sign_begin(ulong_ session, void *mechanism, ulong_ key)
{
	(void)session, (void)mechanism, (void)key;
	if (is("crash-signing"))
		*(volatile int *)8 = 1;
	while (is("hang-signing"))
		pause();
	if ((is("locked") || is("each-time")) && !unlocked)
		return 0x101UL;
	if (begun && is("each-time"))
		return 0x90UL;
	begun = 1;
	allowed = 0;
	return OK;
}

static ulong_
sign(ulong_ session, void *data, ulong_ len, unsigned char *made, ulong_ *made_len)
{
	int refused = is("each-time") && !allowed;

	(void)session, (void)data, (void)len;
	if (made != NULL || refused)
		begun = 0;
	if (refused)
		return 0x101UL;
	*made_len = 64;
	if (made != NULL)
		memset(made, 1, 64);
	return OK;
}

static struct list list = {
	{ 2, 40 },
	{
		[0] = initialize, [4] = slots, [6] = token, [12] = open_session,
		[13] = close_session, [18] = login, [24] = attributes,
		[26] = find_begin, [27] = find, [28] = close_session,
		[42] = sign_begin, [43] = sign,
	},
};

ulong_
C_GetFunctionList(struct list **out)
{
	*out = is("null") ? NULL : &list;
	return OK;
}
