SET client_encoding = 'UTF8';

COPY public.django_migrations (app, name, applied) FROM stdin;
auth	0001_initial	2024-01-02 03:04:05.678901+00
\.

COPY public.auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) FROM stdin;
1	pbkdf2_sha256$1000$oldsalt$OxawnbnwtculWIk/Az3UJ8Sim5QrQwLSqK5d+5cR2y8=	\N	t	super	Super			t	t	2024-05-06 07:08:09.123456+00
2	pbkdf2_sha256$1000$oldsalt$OxawnbnwtculWIk/Az3UJ8Sim5QrQwLSqK5d+5cR2y8=	\N	f	olivia	Olivia			t	t	2024-05-06 07:08:09.123456+00
3	pbkdf2_sha256$1000$oldsalt$OxawnbnwtculWIk/Az3UJ8Sim5QrQwLSqK5d+5cR2y8=	\N	f	Ada	Ada			f	t	2024-05-06 07:08:09.123456+00
4	pbkdf2_sha256$1000$oldsalt$OxawnbnwtculWIk/Az3UJ8Sim5QrQwLSqK5d+5cR2y8=	\N	f	ada	Ada			f	t	2024-05-06 07:08:09.123456+00
5	pbkdf2_sha256$1000$oldsalt$OxawnbnwtculWIk/Az3UJ8Sim5QrQwLSqK5d+5cR2y8=	\N	f	gone	Gone			f	f	2024-05-06 07:08:09.123456+00
\.

COPY public.authtoken_token (key, created, user_id) FROM stdin;
9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b	2024-05-06 07:08:09.123456+00	3
1111b09199c62bcf9418ad846dd0e4bbdfc6ee4b	2024-05-06 07:08:09.123456+00	5
\.

COPY public.backend_drink ("DrinkID", "Name", "SyrupsUsed", "SodaUsed", "AddIns", "Rating", "Price", "Size", "Ice", "User_Created") FROM stdin;
1	Coke Float	{Vanilla}	{Coke}	{Cream}	\N	5.99	m	normal	f
2	Mine ☕	\N	{pepsi,"mtn. dew"}	\N	2.7	4.35	24oz	extra	t
3	Ours	{}	{sprite}	{}	\N	2	16OZ	No Ice	t
\.

COPY public."backend_drink_Favorite" (id, drink_id, user_id) FROM stdin;
1	1	3
\.

COPY public.backend_preference ("PreferenceID", "Preference", "UserID_id") FROM stdin;
1	mango	3
2	pumpkin_spice	3
3	Mango 	3
\.

COPY public.backend_inventory ("InventoryID", "ItemName", "ItemType", "Quantity", "ThresholdLevel", "LastUpdated") FROM stdin;
1	Pepsi	Soda	40	10	2024-06-02 10:00:00+00
2	Mtn. Dew	Soda	30	10	2024-06-02 10:00:00+00
3	 pepsi	Soda	2	10	2024-06-02 10:00:00+00
4	Straws	Physical Item	50	10	2024-06-02 10:00:00+00
\.

COPY public.backend_notification ("NotificationID", "Message", "Timestamp", "Type", "Global", "UserID_id") FROM stdin;
1	Your drink is ready	2024-06-02 10:00:00+00	order	f	3
\.

COPY public.backend_order ("OrderID", "OrderStatus", "PaymentStatus", "PickupTime", "CreationTime", "LockerCombo", "StripeID", "UserID_id") FROM stdin;
1	completed	paid	\N	2024-06-02 10:00:00+00	42	pi_1_secret_x	3
2	cancelled	paid	\N	2024-06-02 10:00:00+00	\N	pi_2_secret_x	\N
3	completed	paid	\N	2024-06-02 10:00:00+00	934569	pi_3_secret_x	4
\.

COPY public."backend_order_Drinks" (id, order_id, drink_id) FROM stdin;
1	1	2
2	1	3
3	2	3
4	3	3
\.

COPY public.backend_revenue ("RevenueID", "OrderID", "TotalAmount", "SaleDate", "Refunded") FROM stdin;
1	1	6.35	2024-06-02 10:00:00+00	f
2	2	2.0000000000000004	2024-06-02 10:00:00+00	t
3	3	0.30000000000000004	2024-06-02 10:00:00+00	f
4	999999	0.1	2024-06-02 10:00:00+00	f
\.

--
-- PostgreSQL database dump complete
--
